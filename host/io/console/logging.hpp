// The log: short lines on stderr. stdout belongs to results.
#pragma once

#include <spdlog/logger.h>

namespace mgqe {

/// The one logger, e.g. log().info("epoch {}: loss {:.4f}", epoch, loss). A progress bar on the
/// terminal is wiped before each line. Its level is MGQE_LOG_LEVEL's (trace, debug, info, warn,
/// error or off; anything else is an InputError), else info.
spdlog::logger& log();

}  // namespace mgqe

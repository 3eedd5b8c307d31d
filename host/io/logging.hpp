// The log: short lines on stderr. stdout belongs to results.
#pragma once

#include <string>

#include <spdlog/logger.h>

namespace mgqe {

/// The one logger, e.g. log().info("epoch {}: loss {:.4f}", epoch, loss). A progress bar on the
/// terminal is wiped before each line. Its first level is MGQE_LOG_LEVEL's, else info.
spdlog::logger& log();

/// "trace", "debug", "info", "warn", "error" or "off"; anything else is an InputError.
void set_log_level(const std::string& level);

}  // namespace mgqe

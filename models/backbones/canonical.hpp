// What of a configuration a run reads.
#pragma once

#include "host/config/config.hpp"

namespace mgqe {

/// The config as far as it decides figures: what cannot change one has Config's own default. That
/// is folder and device, and every field that the scheme, the backbone, the task or the data does
/// not read: the rank of a table that is not low_rank, the tiers of one that has none.
Config canonical(Config config);

}  // namespace mgqe

// What a run reads of its config: two configs that agree in it are one run.
#pragma once

#include "host/config/config.hpp"

namespace mgqe {

/// The config as far as it decides figures: what cannot change one has Config's own default. That
/// is folder and device, and every field that the scheme, the backbone, the task or the data does
/// not read: the rank of a table that is not low_rank, the tiers of one that has none.
/// Of a scheme, a backbone or data that it does not know, every field counts as read: runs that
/// differ are never taken for one.
Config canonical(Config config);

}  // namespace mgqe

// What an evaluation takes of one rank's device beside what training holds: packed arrays, the
// chunks a catalogue is decoded in, the rows of a batch of users, and what packing needs meanwhile.
#pragma once

#include "models/features/placement.hpp"

namespace mgqe {

/// The most at any time, of the rank with most rows. The questions themselves (who is asked, about
/// what) are the data's and not counted.
int64_t evaluation_bytes(int ranks, const Config& config, const Catalogue& catalogue);

}  // namespace mgqe

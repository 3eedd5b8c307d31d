// Where the tables of a run live: whole on every rank, or their rows dealt to ranks.
#pragma once

#include "models/model.hpp"

namespace mgqe {

/// Bytes of a table of `rows` and all that the optimizer keeps of it.
int64_t table_bytes(const Config& config, int64_t rows, int64_t dim);

/// Whether a table side of `rows` rows is dealt: as --shard says; auto deals what would take more
/// than kWholeBytes whole.
inline constexpr int64_t kWholeBytes = int64_t{64} << 20;
bool deals_rows(const Communicator& ranks, const Config& config, int64_t rows);

/// For people: "user rows on every rank, item rows dealt".
std::string describe_placement(const Communicator& ranks, const Config& config,
                               const Catalogue& catalogue);

}  // namespace mgqe

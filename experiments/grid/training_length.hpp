// How long a run of the grid is trained: until validation has stopped improving, by one rule for
// every scheme. A run of E epochs, as its backbone's authors have it, whose best epoch is within
// patience of the last is made anew with 2 E epochs, and so on up to `longest` times E. What stands
// for a config and seed is the shortest run that had stopped improving, or else the longest there
// is.
//
// Where --config says how many epochs, runs have those and are made once.
//
// Runs are not stopped by patience itself: a stored run of E epochs then says what it always said,
// and a plateau before the best epoch does no harm.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "experiments/grid/run_store.hpp"

namespace mgqe {

/// Evaluations without a better one after which a run is taken to have finished, where it sets no
/// patience itself: what relevance runs stop by.
inline constexpr int kPatience = 5;

/// The config with E, 2 E, 4 E ... epochs, up to `longest` times E.
std::vector<Config> training_lengths(const Config& config, int longest);

/// Whether the best epoch of a run is so near its last that patience, its own or kPatience, would
/// have let it train on: more epochs could have made it better.
bool is_cut_short(const RunRecord& run);

/// Looks a config up; null where no such run is stored.
using FindRun = std::function<const RunRecord*(const Config&)>;

struct TrainedLength {
  const RunRecord* stands = nullptr;  // for the config; null where no length of it is stored
  std::optional<Config> next;         // the run that is to be made next; nothing where none is
};
TrainedLength trained_length(const Config& config, int longest, const FindRun& find);

/// The same of a store, on the data of this fingerprint as RunStore::find has it.
struct StoredLength {
  std::optional<RunRecord> stands;
  std::optional<Config> next;
};
StoredLength stored_length(const RunStore& store, const Config& config, int longest,
                           const std::string& data = "");

}  // namespace mgqe

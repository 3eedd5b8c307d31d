#include "experiments/grid/training_length.hpp"

#include <deque>

namespace mgqe {

std::vector<Config> training_lengths(const Config& config, int longest) {
  std::vector<Config> lengths;
  for (int factor = 1; factor <= longest; factor *= 2) {
    lengths.push_back(config);
    lengths.back().train.epochs = factor * config.train.epochs;
  }
  return lengths;
}

bool is_cut_short(const RunRecord& run) {
  const RunRecord& train = run.at("config").at("train");
  const auto field = [&](const char* key, int absent) { return train.value(key, absent); };
  const TrainConfig defaults;
  const int given = field("patience", defaults.patience), patience = given > 0 ? given : kPatience,
            every = field("evaluate_every", defaults.evaluate_every);
  return run.at("best_epoch").get<int>() + patience * every > field("epochs", defaults.epochs);
}

TrainedLength trained_length(const Config& config, int longest, const FindRun& find) {
  TrainedLength trained;
  for (const Config& length : training_lengths(config, longest)) {
    const RunRecord* const run = find(length);
    if (run == nullptr) {
      if (!trained.next) trained.next = length;
      continue;  // a longer one may be there all the same
    }
    trained.stands = run;
    trained.next.reset();
    if (!is_cut_short(*run)) break;
  }
  return trained;
}

StoredLength stored_length(const RunStore& store, const Config& config, int longest,
                           const std::string& data) {
  std::deque<RunRecord> records;
  const TrainedLength trained = trained_length(config, longest, [&](const Config& length) {
    const auto record = store.find(length, data);
    return record ? &records.emplace_back(*record) : nullptr;
  });
  StoredLength stored{std::nullopt, trained.next};
  if (trained.stands != nullptr) stored.stands = *trained.stands;
  return stored;
}

}  // namespace mgqe

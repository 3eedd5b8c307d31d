#include "experiments/scaling/zipf_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace mgqe::scaling {
namespace {

enum Draw : uint64_t { kLeft, kRight, kTarget, kDraws };

uint64_t bits_of(uint64_t seed, int64_t step, int64_t pair, Draw draw) {
  return random_u64(stream_key(seed, RandomStream::kSynthetic),
                    static_cast<uint64_t>(pair) * kDraws + draw, static_cast<uint64_t>(step));
}

}  // namespace

int32_t zipf_id(uint64_t bits, int64_t rows) {
  const double unit = (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
  const double id = std::floor(std::exp(unit * std::log(static_cast<double>(rows) + 1.0))) - 1.0;
  return static_cast<int32_t>(std::clamp<int64_t>(static_cast<int64_t>(id), 0, rows - 1));
}

ZipfPairs::ZipfPairs(Backend& backend, const Config& config, const Catalogue& catalogue,
                     int64_t batches)
    : share_(BatchShare::of(backend.communicator(), config.train.batch)),
      batch_(config.train.batch) {
  const uint64_t seed = config.run.seed;
  // Relevance: both sides are items.
  const int64_t left_rows =
      config.model.task == TaskKind::kRelevance ? catalogue.items : catalogue.users;
  std::vector<int32_t> left(static_cast<size_t>(share_.count)), right(left);
  std::vector<float> targets(left.size());
  for (int64_t step = 0; step < batches; ++step) {
    for (int64_t k = 0; k < share_.count; ++k) {
      const int64_t pair = share_.first + k;
      left[k] = zipf_id(bits_of(seed, step, pair, kLeft), left_rows);
      right[k] = zipf_id(bits_of(seed, step, pair, kRight), catalogue.items);
      targets[k] = static_cast<float>(bits_of(seed, step, pair, kTarget) >> 63);
    }
    left_.emplace_back(backend, std::span<const int32_t>(left));
    right_.emplace_back(backend, std::span<const int32_t>(right));
    targets_.emplace_back(backend, std::span<const float>(targets));
  }
}

Batch ZipfPairs::at(int64_t step) const {
  const auto i = static_cast<size_t>(step) % left_.size();
  return {.pairs = {left_[i], right_[i], targets_[i]},
          .tokens = {},
          .examples = batch_,
          .first_example = share_.first};
}

int64_t distinct_ids(int64_t rows, int64_t first, int64_t count, uint64_t seed) {
  std::unordered_set<int32_t> ids;
  ids.reserve(static_cast<size_t>(count));
  for (int64_t pair = first; pair < first + count; ++pair)
    ids.insert(zipf_id(bits_of(seed, 0, pair, kRight), rows));
  return static_cast<int64_t>(ids.size());
}

}  // namespace mgqe::scaling

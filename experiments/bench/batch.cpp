#include "experiments/bench/batch.hpp"

#include <algorithm>

#include "host/base/philox.hpp"

namespace mgqe::bench {
namespace {

/// In (0, 1).
double draw_unit(uint64_t key, int64_t i) {
  return (static_cast<double>(random_u64(key, static_cast<uint64_t>(i)) >> 11) + 0.5) * 0x1p-53;
}

std::vector<int32_t> draw_zipf(int64_t rows, int64_t count, uint64_t key) {
  std::vector<double> cumulative(static_cast<size_t>(rows));
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) cumulative[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int64_t b = 0; b < count; ++b) {
    const double at = sum * draw_unit(key, b);
    const auto found = std::lower_bound(cumulative.begin(), cumulative.end(), at);
    ids[b] = static_cast<int32_t>(std::min<int64_t>(found - cumulative.begin(), rows - 1));
  }
  return ids;
}

}  // namespace

std::vector<int32_t> draw_ids(const std::string& law, int64_t rows, int64_t count, uint64_t seed) {
  const uint64_t key = stream_key(seed, RandomStream::kSynthetic);
  if (law == "zipf") return draw_zipf(rows, count, key);
  MGQE_CHECK(law == "uniform", "no law of ids is called ", law);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int64_t b = 0; b < count; ++b)
    ids[b] = static_cast<int32_t>(
        random_below(random_u64(key, static_cast<uint64_t>(b)), static_cast<uint64_t>(rows)));
  return ids;
}

Tensor<float> normals(Backend& backend, uint64_t seed, uint64_t number, int64_t rows,
                      int64_t cols) {
  Tensor<float> x(backend, rows, cols);
  backend.fill_normal(x, stream_key(seed + 1000 * number, RandomStream::kDense), 1.0f);
  return x;
}

Tiers head_and_tail(int64_t rows) {
  Tiers tiers;
  tiers.count = 2;
  tiers.end[0] = (rows + 9) / 10;
  tiers.end[1] = rows;
  tiers.centroids[0] = 256;
  tiers.centroids[1] = 64;
  return tiers;
}

int64_t searched_centroids(const Tiers& tiers, const std::vector<int32_t>& ids) {
  int64_t sum = 0;
  for (const int32_t id : ids) sum += tiers.limit(id);
  return sum;
}

Batch::Batch(Backend& backend, const std::string& law, int64_t rows, int64_t count, uint64_t seed)
    : rows(rows),
      host_lookups(draw_ids(law, rows, count, seed)),
      host_distinct(host_lookups),
      lookups(backend, std::span<const int32_t>(host_lookups)),
      ids(backend, count),
      offsets(backend, count + 1),
      order(backend, count),
      inverse(backend, count),
      unique_count(backend, 1) {
  std::sort(host_distinct.begin(), host_distinct.end());
  host_distinct.erase(std::unique(host_distinct.begin(), host_distinct.end()), host_distinct.end());
  deduplicate(backend);
}

}  // namespace mgqe::bench

#include "host/serve/scan/top_k.hpp"

#include <algorithm>
#include <vector>

#include "host/serve/scan/top_k_heap.hpp"

namespace mgqe {

PreparedTiers::PreparedTiers(const PackedTiers& table, int) : table_(table) {}

void top_k(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  constexpr int64_t kChunk = 4096;
  const int64_t rows = table.ranges.end[table.ranges.count - 1];
  if (queries.cols != table.dim)
    input_error("queries of ", queries.cols, " columns for a table of dimension ", table.dim);
  check_packed_tiers(table, queries.cols);
  check_top_k(rows, queries, options, result);
  TopKStatistics sum;
  std::vector<float> chunk(kChunk);
  for (int64_t m = 0; m < queries.rows; ++m) {
    TopKHeap heap(options.k);
    for (int64_t first = 0; first < rows; first += kChunk) {
      const int64_t here = std::min(kChunk, rows - first);
      scores(table, queries.slice(m, 1), first, {chunk.data(), 1, here});
      for (int64_t i = 0; i < here; ++i)
        if (options.admits(m, static_cast<int32_t>(first + i)))
          heap.offer(chunk[static_cast<size_t>(i)], static_cast<int32_t>(first + i));
      sum.rescored += here;
    }
    result.counts[static_cast<size_t>(m)] = heap.write(result.rows.row(m), result.scores.row(m));
  }
  if (statistics != nullptr) *statistics = sum;
}

void top_k(const PreparedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  top_k(table.table(), queries, options, result, statistics);
}

}  // namespace mgqe

// For the time being: every row decoded and sorted.
#include "host/serve/scan/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host/packed/decode_row.hpp"

namespace mgqe {

void check_top_k(int64_t rows, View<const float> queries, const TopKOptions& options, TopKResult) {
  if (options.k < 1 || options.k > kMaxTopK) input_error("k is ", options.k);
  for (int64_t i = 0; i < queries.size(); ++i)
    if (!std::isfinite(queries[i])) input_error("query ", i / queries.cols, " has ", queries[i]);
  for (const RowFilter* f : {&options.allow, &options.block})
    for (size_t i = 0; i < f->sorted.size(); ++i)
      if (f->sorted[i] < 0 || f->sorted[i] >= rows || (i > 0 && f->sorted[i] <= f->sorted[i - 1]))
        input_error("a row filter's row ", f->sorted[i], " is out of order or range");
}

namespace {
bool contains(const RowFilter& f, int32_t row) {
  if (!f.bitmap.empty()) return f.bitmap[static_cast<size_t>(row) / 8] >> (row % 8) & 1;
  return std::binary_search(f.sorted.begin(), f.sorted.end(), row);
}
}  // namespace

void top_k(const PackedTiers& t, View<const float> queries, const TopKOptions& o,
           TopKResult result) {
  const int64_t n = t.ranges.end[t.ranges.count - 1];
  check_top_k(n, queries, o, result);
  std::vector<float> row(static_cast<size_t>(t.dim));
  std::vector<std::pair<float, int32_t>> all;
  for (int64_t m = 0; m < queries.rows; ++m) {
    all.clear();
    for (int64_t r = 0; r < n; ++r) {
      const auto id = static_cast<int32_t>(r);
      if (o.allow.sorted.data() || o.allow.bitmap.data())
        if (!contains(o.allow, id)) continue;
      if (contains(o.block, id)) continue;
      if (!o.block_each.empty() && contains(o.block_each[static_cast<size_t>(m)], id)) continue;
      const int tier = t.ranges.tier_of(r);
      decode_any_row(packed_row(t, tier, r), t.tiers[tier].codebook, t.dim, row.data());
      all.emplace_back(-ranking_score(queries.row(m), row.data(), t.dim), id);
    }
    const auto k = std::min<size_t>(all.size(), static_cast<size_t>(o.k));
    std::partial_sort(all.begin(), all.begin() + static_cast<int64_t>(k), all.end());
    for (int64_t i = 0; i < o.k; ++i) {
      const bool there = i < static_cast<int64_t>(k);
      result.rows.row(m)[i] = there ? all[static_cast<size_t>(i)].second : -1;
      result.scores.row(m)[i] =
          there ? -all[static_cast<size_t>(i)].first : -std::numeric_limits<float>::infinity();
    }
    result.counts[static_cast<size_t>(m)] = static_cast<int64_t>(k);
  }
}

void top_k(const PreparedTiers& p, View<const float> queries, const TopKOptions& o, TopKResult r) {
  top_k(p.t, queries, o, r);
}

}  // namespace mgqe

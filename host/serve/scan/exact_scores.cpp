#include "host/serve/scan/exact_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host/serve/scan/top_k.hpp"

namespace mgqe {
namespace {

/// Always kScoredTogether rows.
[[gnu::always_inline]] inline void score_chains(const CodedTier& tier, int64_t dim,
                                                const float* query, const uint8_t* codes,
                                                float* out) {
  const int64_t width = dim / tier.subspaces;
  float sums[kScoredTogether] = {};
  for (int64_t j = 0; j < tier.subspaces; ++j) {
    const float* part = tier.codebook + j * width;
    const float* centroids[kScoredTogether];
    for (int r = 0; r < kScoredTogether; ++r)
      centroids[r] = part + codes[r * tier.subspaces + j] * dim;
    for (int64_t i = 0; i < width; ++i)
      for (int r = 0; r < kScoredTogether; ++r)
        sums[r] = std::fma(query[j * width + i], centroids[r][i], sums[r]);
  }
  for (int r = 0; r < kScoredTogether; ++r) out[r] = sums[r];
}

using ScoreChains = void (*)(const CodedTier&, int64_t, const float*, const uint8_t*, float*);

void score_chains_baseline(const CodedTier& tier, int64_t dim, const float* query,
                           const uint8_t* codes, float* out) {
  score_chains(tier, dim, query, codes, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void score_chains_fma(const CodedTier& tier, int64_t dim,
                                                  const float* query, const uint8_t* codes,
                                                  float* out) {
  score_chains(tier, dim, query, codes, out);
}
#endif

ScoreChains choose_score_chains() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return score_chains_fma;
#endif
  return score_chains_baseline;
}

/// Up to kScoredTogether rows, which may be of different tiers.
class RowScorer {
 public:
  explicit RowScorer(const PackedTiers& table)
      : table_(table), codes_(static_cast<size_t>(kScoredTogether * table.dim)) {}

  /// Rows next(0), next(1), ... < next(n), by each of the queries; out(query, i) takes the score.
  template <class RowOf, class Out>
  void score(View<const float> queries, int64_t n, const RowOf& row_of, const Out& out) {
    for (int64_t first = 0, last; first < n; first = last) {
      const int tier = table_.ranges.tier_of(row_of(first));
      bool known[kScoredTogether];
      for (last = first; last < std::min(n, first + kScoredTogether); ++last) {
        if (table_.ranges.tier_of(row_of(last)) != tier) break;
        known[last - first] =
            read_codes(table_, tier, row_of(last),
                       codes_.data() + (last - first) * table_.tiers[tier].subspaces);
      }
      for (int64_t m = 0; m < queries.rows; ++m) {
        float sums[kScoredTogether];
        score_codes(table_, tier, queries.row(m), codes_.data(), static_cast<int>(last - first),
                    sums);
        for (int64_t i = first; i < last; ++i)
          out(m, i) = known[i - first] ? sums[i - first] : std::numeric_limits<float>::quiet_NaN();
      }
    }
  }

 private:
  const PackedTiers& table_;
  std::vector<uint8_t> codes_;  // (kScoredTogether, D)
};

void check_queries(const PackedTiers& table, View<const float> queries) {
  check_packed_tiers(table, queries.cols);
  for (int64_t i = 0; i < queries.size(); ++i)
    if (!std::isfinite(queries[i]))
      input_error("query ", i / queries.cols, " has ", queries[i], " in column ", i % queries.cols,
                  "; queries must be finite");
}

void check_row(const PackedTiers& table, int64_t row) {
  const int64_t rows = table.ranges.end[table.ranges.count - 1];
  if (row < 0 || row >= rows) input_error("row ", row, " of a table of ", rows, " rows");
}

}  // namespace

void score_codes(const PackedTiers& table, int tier, const float* query, const uint8_t* codes,
                 int count, float* out) {
  static const ScoreChains chains = choose_score_chains();
  const CodedTier& coded = table.tiers[tier];
  if (count == kScoredTogether) return chains(coded, table.dim, query, codes, out);
  for (int r = 0; r < count; ++r) {
    float sum = 0.0f;
    const int64_t width = table.dim / coded.subspaces;
    for (int64_t j = 0; j < coded.subspaces; ++j)
      for (int64_t i = 0; i < width; ++i)
        sum = std::fma(query[j * width + i],
                       coded.codebook[codes[r * coded.subspaces + j] * table.dim + j * width + i],
                       sum);
    out[r] = sum;
  }
}

bool read_codes(const PackedTiers& table, int tier, int64_t row, uint8_t* codes) {
  const CodedTier& coded = table.tiers[tier];
  const int centroids = table.ranges.centroids[tier];
  const uint8_t* packed = table.row(tier, row);
  bool known = true;
  for (int j = 0; j < coded.subspaces; ++j) {
    const int code = unpack_code(packed, j, coded.bits);
    known &= code < centroids;
    codes[j] = static_cast<uint8_t>(code < centroids ? code : 0);
  }
  return known;
}

void scores(const PackedTiers& table, View<const float> queries, int64_t first, View<float> out) {
  check_queries(table, queries);
  MGQE_CHECK(out.rows == queries.rows, out.rows, " lines of scores by ", queries.rows, " queries");
  if (out.size() == 0) return;
  check_row(table, first);
  check_row(table, first + out.cols - 1);
  RowScorer(table).score(
      queries, out.cols, [&](int64_t i) { return first + i; },
      [&](int64_t m, int64_t i) -> float& { return out.row(m)[i]; });
}

void scores_of(const PackedTiers& table, View<const float> query, std::span<const int64_t> rows,
               std::span<float> out) {
  check_queries(table, query);
  MGQE_CHECK(query.rows == 1 && out.size() == rows.size(), "room for ", out.size(), " scores of ",
             rows.size(), " rows");
  for (const int64_t row : rows) check_row(table, row);
  RowScorer(table).score(
      query, static_cast<int64_t>(rows.size()),
      [&](int64_t i) { return rows[static_cast<size_t>(i)]; },
      [&](int64_t, int64_t i) -> float& { return out[static_cast<size_t>(i)]; });
}

}  // namespace mgqe

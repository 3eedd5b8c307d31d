// Scores that count, of a few rows at a time: decoded, transposed, and one fma chain a lane.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "host/cpu/runtime/parallel.hpp"
#include "host/packed/decode_row.hpp"

namespace mgqe {

class ExactScores {
 public:
  static constexpr int64_t kRows = 64;  // at a time

  explicit ExactScores(const PackedTiers& table)
      : table_(table),
        row_(static_cast<size_t>(table.dim)),
        columns_(static_cast<size_t>(kRows * table.dim)) {}

  /// Whether a row's codes are all below its K.
  bool known(int32_t row) const {
    const int t = table_.ranges.tier_of(row);
    const CodedTier& tier = table_.tiers[t];
    if (table_.ranges.centroids[t] == 1 << tier.bits) return true;
    for (int j = 0; j < tier.subspaces; ++j)
      if (unpack_code(table_.row(t, row), j, tier.bits) >= table_.ranges.centroids[t]) return false;
    return true;
  }

  /// Up to kRows rows, all known.
  void read(std::span<const int32_t> rows) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const int t = table_.ranges.tier_of(rows[r]);
      decode_any_row(packed_row(table_, t, rows[r]), table_.tiers[t].codebook, table_.dim,
                     row_.data());
      for (int64_t c = 0; c < table_.dim; ++c)
        columns_[static_cast<size_t>(c * kRows) + r] = row_[static_cast<size_t>(c)];
    }
    count_ = static_cast<int64_t>(rows.size());
  }
  /// Scores of the rows last read: ranking_score of each.
  void score(const float* query, float* scores) const {
    const float* columns = columns_.data();
    const int64_t d = table_.dim;
    detail::run_range(
        [=](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) scores[r] = 0.0f;
          for (int64_t c = 0; c < d; ++c)
            for (int64_t r = begin; r < end; ++r)
              scores[r] = std::fma(query[c], columns[c * kRows + r], scores[r]);
        },
        0, count_);
  }

 private:
  const PackedTiers& table_;
  std::vector<float> row_, columns_;  // (d); (d, kRows)
  int64_t count_ = 0;
};

}  // namespace mgqe

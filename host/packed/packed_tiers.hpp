// PackedTiers: a coded table where it is served, as a view. Trivially copyable, so that kernels
// take it by value.
#pragma once

#include <cstdint>

#include "host/base/tensor.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

/// The rows of one tier, as the artifact stores them.
struct CodedTier {
  const uint8_t* codes = nullptr;   // (rows of the tier, row_bytes()); unused where bits is 0
  const float* codebook = nullptr;  // (K_i, d), code-major; tiers may share one
  int bits = 0;                     // of a code, 0 to 8
  int subspaces = 1;                // D_i

  MGQE_HD int64_t row_bytes() const { return packed_row_bytes(subspaces, bits); }
};

/// Row `id` is in tier t = ranges.tier_of(id), at place id - ranges.begin(t) of tiers[t].codes.
/// Every code is below ranges.centroids[t], which the artifact's reader has checked.
struct PackedTiers {
  Tiers ranges;
  CodedTier tiers[kMaxTiers];
  int64_t dim = 0;  // d

  /// One tier: packed (n, row bytes), codebook (K, d).
  static PackedTiers single(View<const uint8_t> packed, int bits, int subspaces,
                            View<const float> codebook) {
    PackedTiers table;
    table.ranges.end[0] = packed.rows;
    table.ranges.centroids[0] = static_cast<int>(codebook.rows);
    table.tiers[0] = {packed.data, codebook.data, bits, subspaces};
    table.dim = codebook.cols;
    return table;
  }

  /// The packed row of an id of `tier`.
  MGQE_HD const uint8_t* row(int tier, int64_t id) const {
    return tiers[tier].codes + (id - ranges.begin(tier)) * tiers[tier].row_bytes();
  }
};

/// Throws where the view cannot be decoded into rows of `cols` columns.
inline void check_packed_tiers(const PackedTiers& table, int64_t cols) {
  MGQE_CHECK(cols == table.dim, "rows of ", cols, " columns from codebooks of ", table.dim);
  for (int t = 0; t < table.ranges.count; ++t) {
    const CodedTier& tier = table.tiers[t];
    MGQE_CHECK(tier.subspaces >= 1 && table.dim % tier.subspaces == 0, "tier ", t, ": ",
               tier.subspaces, " subspaces, dimension ", table.dim);
    MGQE_CHECK(tier.bits >= 0 && tier.bits <= 8, "tier ", t, ": codes of ", tier.bits, " bits");
  }
}

}  // namespace mgqe

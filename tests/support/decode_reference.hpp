// A packed table made at random, and its rows by a loop over single bits. For the tests of decode.
#pragma once

#include <algorithm>
#include <vector>

#include "host/packed/packed_tiers.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {

struct TierShape {
  int64_t rows;
  int subspaces, centroids;
};

/// Tables whose codes are all below K. One shared codebook, or one for each tier.
struct PackedExample {
  int64_t dim;
  std::vector<TierShape> shapes;
  std::vector<std::vector<uint8_t>> codes;    // by tier: (rows, D) one byte each
  std::vector<std::vector<uint8_t>> packed;   // by tier: (rows, row bytes)
  std::vector<std::vector<float>> codebooks;  // by tier: (K, d); shared: the first alone
  bool shared;

  PackedExample(int64_t dim, std::vector<TierShape> tier_shapes, bool shared, uint64_t seed)
      : dim(dim), shapes(std::move(tier_shapes)), shared(shared) {
    Random random(seed);
    for (const TierShape& tier : shapes) {
      const int64_t count = tier.rows * tier.subspaces;
      codes.push_back(random.integers<uint8_t>(count, 0, tier.centroids - 1));
      const int bits = code_bits(tier.centroids);
      const int64_t row_bytes = packed_row_bytes(tier.subspaces, bits);
      packed.emplace_back(tier.rows * row_bytes, uint8_t{0});
      for (int64_t i = 0; i < count; ++i)
        for (int b = 0; b < bits; ++b) {
          const int64_t r = i / tier.subspaces, bit = i % tier.subspaces * bits + b;
          packed.back()[r * row_bytes + bit / 8] |= (codes.back()[i] >> b & 1) << (bit % 8);
        }
      if (codebooks.empty() || !shared) codebooks.push_back(random.normals(tier.centroids * dim));
    }
  }
  int64_t rows() const {
    int64_t total = 0;
    for (const TierShape& tier : shapes) total += tier.rows;
    return total;
  }
  const std::vector<float>& codebook(int tier) const { return codebooks[shared ? 0 : tier]; }

  /// The view, given where the packed arrays and codebooks lie.
  PackedTiers view(const std::vector<const uint8_t*>& codes_at,
                   const std::vector<const float*>& codebooks_at) const {
    PackedTiers table;
    table.dim = dim;
    table.ranges.count = static_cast<int>(shapes.size());
    int64_t end = 0;
    for (int t = 0; t < table.ranges.count; ++t) {
      table.ranges.end[t] = end += shapes[t].rows;
      table.ranges.centroids[t] = shapes[t].centroids;
      table.tiers[t] = {codes_at[t], codebooks_at[shared ? 0 : t], code_bits(shapes[t].centroids),
                        shapes[t].subspaces};
    }
    return table;
  }
  /// Element (id, c) of the decoded table.
  float expected(int64_t id, int64_t c) const {
    int t = 0;
    for (; id >= shapes[t].rows; ++t) id -= shapes[t].rows;
    const int64_t width = dim / shapes[t].subspaces;
    return codebook(t)[codes[t][id * shapes[t].subspaces + c / width] * dim + c];
  }
};

/// Shapes that reach every width, number of bits, sharing and raggedness that kernels treat apart.
inline std::vector<PackedExample> packed_examples() {
  std::vector<PackedExample> all;
  uint64_t seed = 0;
  for (const int width : {1, 2, 3, 4, 6, 8, 12, 16, 64})
    for (const int centroids : {1, 2, 15, 64, 255, 256})
      all.emplace_back(width * 8, std::vector<TierShape>{{37, 8, centroids}}, true, ++seed);
  for (const int subspaces : {1, 3, 5, 7, 9, 100})  // no multiple of eight codes
    for (const int centroids : {20, 256})
      all.emplace_back(subspaces * 4, std::vector<TierShape>{{21, subspaces, centroids}}, true,
                       ++seed);
  using Tiers = std::vector<TierShape>;
  all.emplace_back(64, Tiers{{10, 32, 256}, {30, 32, 64}, {0, 32, 64}, {50, 32, 1}}, true, ++seed);
  all.emplace_back(64, Tiers{{10, 8, 256}, {90, 8, 64}}, true, ++seed);
  all.emplace_back(64, Tiers{{10, 32, 256}, {30, 16, 256}, {25, 8, 256}}, false, ++seed);
  all.emplace_back(64, Tiers{{13, 16, 40}, {31, 16, 100}, {26, 16, 3}}, false, ++seed);
  all.emplace_back(30, Tiers{{13, 10, 40}, {31, 15, 7}}, false, ++seed);
  return all;
}

}  // namespace mgqe::testing

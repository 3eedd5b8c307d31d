// What one search works on, shared by the instruction levels of assign.cpp and
// assign_with_gradient.cpp.
#pragma once

#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe {

/// Consecutive rows of the set that share a tier.
struct AssignBlock {
  int64_t first;
  int count;
  int limit;  // K_i
};

/// Cuts the rows into blocks of up to `block` that do not straddle tiers, those of one tier of
/// equal numbers of vectors; rows of a tier without centroids are in none.
void cut_blocks(RowSet rows, const Tiers& tiers, int block, int vector,
                std::vector<AssignBlock>& blocks);

struct AssignTask {
  View<const float> queries;  // (n, d)
  RowSet rows;
  View<const float> codebook;    // (K, d)
  const float* packed_codebook;  // (D, K, 1 + w): half norm, then the centroid
  View<uint8_t> codes;           // (|rows|, D)
  View<float> decoded;           // (|rows|, d)
  View<float> squared_error;     // (|rows|) or empty
};

inline constexpr int kSlabColumns = 16;  // floats of a cache line

struct GradientTask {
  View<const float> queries;  // (n, d)
  UniqueIds unique;
  View<const float> codebook;  // (K, d)
  int width;                   // of a subspace, a divisor of kSlabColumns
  float scale;
  View<float> decoded;   // (B, d)
  View<float> gradient;  // (K, d)
};

}  // namespace mgqe

// What one assign call works on, shared by the instruction levels of assign.cpp.
#pragma once

#include "host/core/backend.hpp"

namespace mgqe {

/// Consecutive rows of the set that share a tier.
struct AssignBlock {
  int64_t first;
  int count;
  int limit;  // K_i
};

struct AssignTask {
  View<const float> queries;  // (n, d)
  RowSet rows;
  View<const float> codebook;    // (K, d)
  const float* packed_codebook;  // (D, K, 1 + w): half norm, then the centroid
  View<uint8_t> codes;           // (|rows|, D)
  View<float> decoded;           // (|rows|, d)
  View<float> squared_error;     // (|rows|) or empty
};

}  // namespace mgqe

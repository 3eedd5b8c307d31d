// What dot_pairs.cpp has the same for every instruction level.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "host/cpu/runtime/lanes.hpp"
#include "host/cpu/strided.hpp"

namespace mgqe {

/// Of one thread: grows to the largest row seen, then stays.
struct PairScratch {
  float* padded;  // (V, whole lanes of dim)
  float* square;  // (V, V): gradients of products
  float* panel;   // of multiply

  PairScratch(int64_t V, int64_t dim) {
    static thread_local std::vector<float> storage;
    const int64_t vectors = V * whole_lanes(dim), products = V * V;
    const int64_t size = vectors + products + std::max(V, dim) * kPanelCols;
    if (static_cast<int64_t>(storage.size()) < size) storage.resize(static_cast<size_t>(size));
    padded = storage.data();
    square = padded + vectors;
    panel = square + products;
  }
};

/// Rows from which on a second thread pays.
inline int64_t pair_grain(int64_t V, int64_t dim) {
  constexpr int64_t kGrainFlops = 1 << 18;
  return kGrainFlops / (2 * V * V * dim) + 1;
}

}  // namespace mgqe

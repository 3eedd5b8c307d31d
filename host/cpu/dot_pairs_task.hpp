// What dot_pairs.cpp has the same for every instruction level.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "host/cpu/strided.hpp"

namespace mgqe {

/// Of one thread: grows to the largest row seen, then stays.
struct PairScratch {
  float* square;  // (V, V): products of vectors, or their gradients
  float* panel;   // of multiply

  PairScratch(int64_t V, int64_t dim) {
    static thread_local std::vector<float> storage;
    const size_t products = static_cast<size_t>(V * V);
    const size_t size = products + static_cast<size_t>(std::max(V, dim) * kPanelCols);
    if (storage.size() < size) storage.resize(size);
    square = storage.data();
    panel = storage.data() + products;
  }
};

/// Rows from which on a second thread pays.
inline int64_t pair_grain(int64_t V, int64_t dim) {
  constexpr int64_t kGrainFlops = 1 << 18;
  return kGrainFlops / (2 * V * V * dim) + 1;
}

}  // namespace mgqe

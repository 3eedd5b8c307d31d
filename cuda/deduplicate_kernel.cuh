// The steps of deduplicate around its sort and scan.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kDeduplicateThreads = 256;

/// positions[p] = p, for p in [0, n).
__global__ void __launch_bounds__(kDeduplicateThreads)
    number_kernel(int64_t n, int32_t* positions) {
  for (int64_t p = grid_thread(); p < n; p += grid_threads())
    positions[p] = static_cast<int32_t>(p);
}

/// first[p] = 1 where sorted_ids[p] differs from the id before it, else 0.
__global__ void __launch_bounds__(kDeduplicateThreads)
    mark_first_kernel(int64_t n, const uint32_t* __restrict__ sorted_ids, int32_t* first) {
  for (int64_t p = grid_thread(); p < n; p += grid_threads())
    first[p] = p == 0 || sorted_ids[p] != sorted_ids[p - 1];
}

/// From sorted_ids and rank (the inclusive sum of mark_first_kernel's output), and unique.order
/// (the position of each sorted id): the other fields of `unique`. n = 0 gives an empty set.
__global__ void __launch_bounds__(kDeduplicateThreads)
    scatter_unique_kernel(int64_t n, const uint32_t* __restrict__ sorted_ids,
                          const int32_t* __restrict__ rank, UniqueIds unique) {
  if (n == 0 && grid_thread() == 0) {
    unique.offsets[0] = 0;
    unique.count[0] = 0;
  }
  for (int64_t p = grid_thread(); p < n; p += grid_threads()) {
    const int32_t u = rank[p] - 1;
    unique.inverse[unique.order[p]] = u;
    if (p == 0 || rank[p - 1] == u) {
      unique.ids[u] = static_cast<int32_t>(sorted_ids[p]);
      unique.offsets[u] = static_cast<int32_t>(p);
    }
    if (p == n - 1) {
      unique.offsets[u + 1] = static_cast<int32_t>(n);
      unique.count[0] = u + 1;
    }
  }
}

}  // namespace mgqe

// Runs a functor of host/engine/functors/functors.hpp over an index range.
#pragma once

#include "cuda/primitives.cuh"

namespace mgqe {

inline constexpr int kElementThreads = 256;

/// Blocks a multiprocessor must hold: leaves 64 registers a thread, so that no functor spills.
inline constexpr int kElementBlocks = 4;

template <class F>
__global__ void __launch_bounds__(kElementThreads, kElementBlocks) for_each_kernel(int64_t n, F f) {
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) f(i);
}

}  // namespace mgqe

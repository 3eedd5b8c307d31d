// How often each code is chosen. Counts are integers, so atomics keep runs bitwise the same.
#pragma once

#include "cuda/primitives.cuh"
#include "host/base/tensor.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

inline constexpr int kCountThreads = 256;

/// counts (D, K) += those of codes (m, D). Block (slice of rows, subspace): its counts are made in
/// shared memory, so that a popular code costs one global addition a block.
__global__ void __launch_bounds__(kCountThreads)
    count_codes_kernel(View<const uint8_t> codes, View<int32_t> counts) {
  MGQE_SHARED_ARRAY(int, here, kMaxCentroids);
  const int64_t j = blockIdx.y;
  for (int k = static_cast<int>(threadIdx.x); k < counts.cols; k += kCountThreads) here[k] = 0;
  __syncthreads();
  for (int64_t r = grid_thread(); r < codes.rows; r += grid_threads()) {
    const uint8_t code = codes.row(r)[j];
    if (code < counts.cols) atomicAdd(&here[code], 1);
  }
  __syncthreads();
  for (int k = static_cast<int>(threadIdx.x); k < counts.cols; k += kCountThreads)
    if (here[k] != 0) atomicAdd(&counts.row(j)[k], here[k]);
}

}  // namespace mgqe

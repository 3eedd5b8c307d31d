// First and second moments of a batch's rows, by component.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/functors/response_functors.hpp"

namespace mgqe {

inline constexpr int kRowMomentThreads = 128;

/// A warp an element of the sums, a lane every 32nd row.
__global__ void __launch_bounds__(kRowMomentThreads) row_moments_kernel(RowMoments moments) {
  const int32_t rows = moments.unique.count[0];
  for (int64_t i = grid_warp(); i < moments.sums.size(); i += grid_warps()) {
    double sum = 0.0;
    for (int32_t u = lane_index(); u < rows; u += kWarpSize) sum += moments.of(i, u);
    sum = warp_sum(sum);
    if (lane_index() == 0) moments.sums[i] = sum;
  }
}

}  // namespace mgqe

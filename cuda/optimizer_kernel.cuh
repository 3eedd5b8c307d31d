// Optimizers over the rows that a batch touched: one warp per distinct row, a lane per column.
#pragma once

#include "cuda/primitives.cuh"
#include "host/core/functors.hpp"

namespace mgqe {

inline constexpr int kRowThreads = 128;

/// Column c of the summed gradient of distinct row u, look-ups added in order. Loads run four ahead
/// of the additions, whose order stays.
__device__ inline float summed_gradient(const UniqueIds& unique, View<const float> gradient,
                                        int64_t u, int64_t c) {
  constexpr int kAhead = 4;
  const int32_t first = unique.offsets[u], last = unique.offsets[u + 1];
  float sum = gradient.row(unique.order[first])[c];
  int32_t p = first + 1;
  for (; p + kAhead <= last; p += kAhead) {
    float next[kAhead];
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s) next[s] = gradient.row(unique.order[p + s])[c];
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s) sum += next[s];
  }
  for (; p < last; ++p) sum += gradient.row(unique.order[p])[c];
  return sum;
}

__global__ void __launch_bounds__(kRowThreads)
    sparse_adam_kernel(View<float> table, UniqueIds unique, View<const float> gradient,
                       Moments moments, AdamOptions options, View<const StepState> state) {
  const int64_t count = *unique.count.data;
  const float step_size = state[0].sparse_step_size;
  for (int64_t u = grid_warp(); u < count; u += grid_warps()) {
    const int64_t id = unique.ids[u];
    for (int64_t c = lane_index(); c < table.cols; c += kWarpSize) {
      const float g = summed_gradient(unique, gradient, u, c);
      sparse_adam_element(table.row(id)[c], moments.first.row(id)[c], moments.second.row(id)[c], g,
                          options, step_size);
    }
  }
}

__global__ void __launch_bounds__(kRowThreads)
    sum_gradients_kernel(UniqueIds unique, View<const float> gradient, View<float> table_gradient) {
  const int64_t count = *unique.count.data;
  for (int64_t u = grid_warp(); u < count; u += grid_warps())
    for (int64_t c = lane_index(); c < gradient.cols; c += kWarpSize)
      table_gradient.row(unique.ids[u])[c] = summed_gradient(unique, gradient, u, c);
}

}  // namespace mgqe

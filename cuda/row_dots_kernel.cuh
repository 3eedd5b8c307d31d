// Dot products of rows, and their gradients. A warp a row, a lane every 32nd column.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kRowDotThreads = 128;
/// Blocks a multiprocessor must hold: leaves 64 registers a thread, so that nothing spills.
inline constexpr int kRowDotBlocks = 8;

/// out (T): out[t] = x[t] . y[t].
__global__ void __launch_bounds__(kRowDotThreads, kRowDotBlocks)
    row_dots_kernel(View<const float> x, Lookup y, View<float> out) {
  for (int64_t t = grid_warp(); t < x.rows; t += grid_warps()) {
    const float* a = x.row(t);
    const float* b = y.rows.row(y.index[t]);
    float sum = 0.0f;
    for (int64_t c = lane_index(); c < x.cols; c += kWarpSize) sum = fmaf(a[c], b[c], sum);
    sum = warp_sum(sum);
    if (lane_index() == 0) out[t] = sum;
  }
}

/// x_gradient[t] = out_gradient[t] * y[t] (+= with accumulate), y_gradient[t] = out_gradient[t] *
/// x[t].
__global__ void __launch_bounds__(kRowDotThreads, kRowDotBlocks)
    row_dots_backward_kernel(View<const float> x, Lookup y, View<const float> out_gradient,
                             View<float> x_gradient, bool accumulate, View<float> y_gradient) {
  for (int64_t t = grid_warp(); t < x.rows; t += grid_warps()) {
    const float g = out_gradient[t];
    const float* a = x.row(t);
    const float* b = y.rows.row(y.index[t]);
    float* a_gradient = x_gradient.row(t);
    float* b_gradient = y_gradient.row(t);
    for (int64_t c = lane_index(); c < x.cols; c += kWarpSize) {
      const float before = accumulate ? a_gradient[c] : 0.0f;
      a_gradient[c] = fmaf(g, b[c], before);
      b_gradient[c] = g * a[c];
    }
  }
}

}  // namespace mgqe

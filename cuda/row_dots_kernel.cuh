// Dot products of rows, and their gradients; the loss of two of them. A warp a row, a lane every
// 32nd column.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/functors/layer_functors.hpp"

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

/// losses (2 T): of the positives, then of the negatives. A warp a token, with the formulas of the
/// ops that LayerOps::sampled_loss names.
__global__ void __launch_bounds__(kRowDotThreads, kRowDotBlocks)
    sampled_loss_kernel(SampledLoss tokens, float* __restrict__ losses) {
  const int64_t count = tokens.x.rows, d = tokens.x.cols;
  for (int64_t t = grid_warp(); t < count; t += grid_warps()) {
    const float* x = tokens.x.row(t);
    const float* positive = tokens.positives.rows.row(tokens.positives.index[t]);
    const float* negative = tokens.negatives.rows.row(tokens.negatives.index[t]);
    float logit = 0.0f, negative_logit = 0.0f;
    for (int64_t c = lane_index(); c < d; c += kWarpSize) {
      logit = fmaf(x[c], positive[c], logit);
      negative_logit = fmaf(x[c], negative[c], negative_logit);
    }
    float loss, g, negative_loss, negative_g;
    bce_with_logit(warp_sum(logit), 1.0f, tokens.scale, loss, g);
    bce_with_logit(warp_sum(negative_logit), 0.0f, tokens.scale, negative_loss, negative_g);
    if (lane_index() == 0) {
      losses[t] = loss;
      losses[count + t] = negative_loss;
    }
    for (int64_t c = lane_index(); c < d; c += kWarpSize) {
      const float x_c = x[c];
      tokens.x_gradient.row(t)[c] = fmaf(negative_g, negative[c], g * positive[c]);
      tokens.positive_gradient.row(t)[c] = g * x_c;
      tokens.negative_gradient.row(t)[c] = negative_g * x_c;
    }
  }
}

}  // namespace mgqe

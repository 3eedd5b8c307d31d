// Layer normalisation (Ba et al. 2016) of rows, and its gradients. With y = (x - mean) * r,
// r = 1 / sqrt(variance + epsilon), g = gain * out_gradient and means over the row's d columns:
//   dx = r * (g - mean(g) - y * mean(g y)),  dgain = sum over rows of out_gradient * y,
//   dbias = sum over rows of out_gradient.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kLayerNormThreads = 256;
inline constexpr int kLayerNormWarps = kLayerNormThreads / kWarpSize;
inline constexpr int kLayerNormRegisters = 4;  // columns a lane keeps: rows of up to 128

/// Calls f(i, c) for the columns c = lane, lane + 32, ... of a row of d. kColumns > 0: at most that
/// many, with i a constant, so that arrays indexed by it stay in registers; 0: any number, i = 0.
template <int kColumns, class F>
__device__ inline void for_lane_columns(int64_t d, const F& f) {
  if constexpr (kColumns == 0) {
    for (int64_t c = lane_index(); c < d; c += kWarpSize) f(0, c);
  } else {
    MGQE_UNROLL
    for (int i = 0; i < kColumns; ++i)
      if (lane_index() + i * kWarpSize < d)
        f(i, static_cast<int64_t>(lane_index() + i * kWarpSize));
  }
}

/// The lane's columns of a row: kept in registers, or, with kColumns 0, read again.
template <int kColumns>
class LaneRow {
 public:
  __device__ LaneRow(const float* row, int64_t d) : row_(row) {
    if constexpr (kColumns > 0)
      for_lane_columns<kColumns>(d, [&](int i, int64_t c) { kept_[i] = row[c]; });
  }
  __device__ float operator()(int i, int64_t c) const {
    if constexpr (kColumns > 0) return kept_[i];
    return row_[c];
  }

 private:
  const float* row_;
  float kept_[kColumns > 0 ? kColumns : 1];
};

/// out (T, d), stats (T, 2) = mean, r. A warp a row; the variance is that of the differences from
/// the mean, so that a large mean costs no digits.
template <int kColumns>
__global__ void __launch_bounds__(kLayerNormThreads)
    layer_norm_kernel(View<const float> x, View<const float> gain, View<const float> bias,
                      float epsilon, View<float> out, View<float> stats) {
  const int64_t d = x.cols;
  for (int64_t t = grid_warp(); t < x.rows; t += grid_warps()) {
    const LaneRow<kColumns> row(x.row(t), d);
    float sum = 0.0f, squares = 0.0f;
    for_lane_columns<kColumns>(d, [&](int i, int64_t c) { sum += row(i, c); });
    const float mean = warp_sum(sum) / static_cast<float>(d);
    for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
      const float difference = row(i, c) - mean;
      squares = fmaf(difference, difference, squares);
    });
    const float variance = warp_sum(squares) / static_cast<float>(d);
    const float r = 1.0f / sqrtf(variance + epsilon);
    for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
      out.row(t)[c] = fmaf(gain[c], (row(i, c) - mean) * r, bias[c]);
    });
    if (lane_index() == 0) {
      stats.row(t)[0] = mean;
      stats.row(t)[1] = r;
    }
  }
}

struct LayerNormBackwardArguments {
  View<const float> x;             // (T, d)
  View<const float> gain;          // (d)
  View<const float> stats;         // (T, 2)
  View<const float> out_gradient;  // (T, d)
  View<float> x_gradient;          // (T, d)
  bool accumulate;
  int64_t rows_per_chunk;
  float* partials;  // (chunks, 2, d): of gain and of bias

  __device__ float normalised(int64_t t, float x) const {
    return (x - stats.row(t)[0]) * stats.row(t)[1];
  }
};

/// x_gradient of row t, whose x and out_gradient the lanes hold.
template <int kColumns>
__device__ inline void layer_norm_row_gradient(const LayerNormBackwardArguments& a, int64_t t,
                                               const LaneRow<kColumns>& x,
                                               const LaneRow<kColumns>& gradient) {
  const int64_t d = a.x.cols;
  float sum = 0.0f, product_sum = 0.0f;  // of g and of g y
  for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
    const float g = a.gain[c] * gradient(i, c);
    sum += g;
    product_sum = fmaf(g, a.normalised(t, x(i, c)), product_sum);
  });
  const float mean = warp_sum(sum) / static_cast<float>(d);
  const float product_mean = warp_sum(product_sum) / static_cast<float>(d);
  for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
    const float g = a.gain[c] * gradient(i, c);
    const float y = a.normalised(t, x(i, c));
    const float before = a.accumulate ? a.x_gradient.row(t)[c] : 0.0f;
    a.x_gradient.row(t)[c] = fmaf(a.stats.row(t)[1], g - mean - y * product_mean, before);
  });
}

/// Rows of up to 32 * kColumns. Block: a chunk of rows, each warp every 8th of them; the warps'
/// sums of the chunk are added in order.
template <int kColumns>
__global__ void __launch_bounds__(kLayerNormThreads)
    layer_norm_backward_kernel(LayerNormBackwardArguments a) {
  constexpr int kMaxWidth = kColumns * kWarpSize;
  MGQE_SHARED_ARRAY(float, warp_gains, kLayerNormWarps* kMaxWidth);
  MGQE_SHARED_ARRAY(float, warp_biases, kLayerNormWarps* kMaxWidth);
  const int64_t d = a.x.cols, first = blockIdx.x * a.rows_per_chunk;
  const int64_t end = min(first + a.rows_per_chunk, a.x.rows);
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  float gains[kColumns] = {}, biases[kColumns] = {};
  for (int64_t t = first + warp; t < end; t += kLayerNormWarps) {
    const LaneRow<kColumns> x(a.x.row(t), d), gradient(a.out_gradient.row(t), d);
    for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
      gains[i] = fmaf(gradient(i, c), a.normalised(t, x(i, c)), gains[i]);
      biases[i] += gradient(i, c);
    });
    layer_norm_row_gradient<kColumns>(a, t, x, gradient);
  }
  for_lane_columns<kColumns>(d, [&](int i, int64_t c) {
    warp_gains[warp * kMaxWidth + c] = gains[i];
    warp_biases[warp * kMaxWidth + c] = biases[i];
  });
  __syncthreads();
  for (int64_t c = threadIdx.x; c < d; c += kLayerNormThreads) {
    float gain = 0.0f, bias = 0.0f;
    for (int w = 0; w < kLayerNormWarps; ++w) {
      gain += warp_gains[w * kMaxWidth + c];
      bias += warp_biases[w * kMaxWidth + c];
    }
    a.partials[2 * blockIdx.x * d + c] = gain;
    a.partials[(2 * blockIdx.x + 1) * d + c] = bias;
  }
}

/// Rows of any width: the chunk's rows once by columns, for the sums, and once by rows.
__global__ void __launch_bounds__(kLayerNormThreads)
    layer_norm_backward_any_kernel(LayerNormBackwardArguments a) {
  const int64_t d = a.x.cols, first = blockIdx.x * a.rows_per_chunk;
  const int64_t end = min(first + a.rows_per_chunk, a.x.rows);
  for (int64_t c = threadIdx.x; c < d; c += kLayerNormThreads) {
    float gain = 0.0f, bias = 0.0f;
    for (int64_t t = first; t < end; ++t) {
      const float gradient = a.out_gradient.row(t)[c];
      gain = fmaf(gradient, a.normalised(t, a.x.row(t)[c]), gain);
      bias += gradient;
    }
    a.partials[2 * blockIdx.x * d + c] = gain;
    a.partials[(2 * blockIdx.x + 1) * d + c] = bias;
  }
  for (int64_t t = first + threadIdx.x / kWarpSize; t < end; t += kLayerNormWarps)
    layer_norm_row_gradient<0>(a, t, LaneRow<0>(a.x.row(t), d),
                               LaneRow<0>(a.out_gradient.row(t), d));
}

}  // namespace mgqe

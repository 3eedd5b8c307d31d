// Backward of the softmax quantizer: query gradients by row, then codebook gradients by chunk.
#pragma once

#include <cmath>

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"
#include "host/engine/functors/softmax_math.hpp"

namespace mgqe {

inline constexpr int kSoftmaxThreads = 128;
/// One thread a centroid.
inline constexpr int kSoftmaxCodebookThreads = kMaxCentroids;

/// What a row's softmax in one subspace leaves for the codebook gradients.
struct SoftmaxStatistics {
  float highest;  // score
  float inverse;  // 1 / sum_k exp(score_k - highest)
  float mean;     // sum_k p_k slope_k
};

__device__ inline float softmax_dot(const float* x, const float* y, int64_t width) {
  float sum = 0.0f;
  for (int64_t q = 0; q < width; ++q) sum = fmaf(x[q], y[q], sum);
  return sum;
}

__device__ inline float warp_max(float value) {
  MGQE_UNROLL
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/// Gradients by the queries (|rows|, d) and statistics (|rows| D): a warp per (row, subspace), lane
/// l takes centroids l, l + 32, ...
__global__ void __launch_bounds__(kSoftmaxThreads)
    softmax_query_gradient_kernel(SoftmaxRows rows, SoftmaxKeys scored, View<const float> values,
                                  View<float> query_gradient,
                                  SoftmaxStatistics* __restrict__ statistics) {
  constexpr int kPerLane = kMaxCentroids / kWarpSize;
  const View<const float> keys = scored.keys;
  const int64_t subspaces = rows.codes.cols, width = keys.cols / subspaces;
  const int64_t work = rows.rows.size() * subspaces, centroids = keys.rows;
  for (int64_t t = grid_warp(); t < work; t += grid_warps()) {
    const int64_t i = t / subspaces, j = t % subspaces, first = j * width;
    const float* e = rows.queries.row(rows.rows[i]) + first;
    const float* g = rows.gradient.row(i) + first;
    float weight[kPerLane] = {}, slope[kPerLane] = {};
    float highest = -INFINITY;
    MGQE_UNROLL
    for (int s = 0; s < kPerLane; ++s) {
      const int64_t k = lane_index() + s * kWarpSize;
      if (k >= centroids) continue;
      weight[s] = softmax_dot(e, keys.row(k) + first, width) - scored.offsets.row(k)[j];
      slope[s] = softmax_dot(g, values.row(k) + first, width);
      highest = fmaxf(highest, weight[s]);
    }
    highest = warp_max(highest);
    float total = 0.0f, weighted = 0.0f;
    MGQE_UNROLL
    for (int s = 0; s < kPerLane; ++s) {
      const int64_t k = lane_index() + s * kWarpSize;
      weight[s] = k < centroids ? exp_not_positive(weight[s] - highest) : 0.0f;
      total += weight[s];
      weighted = fmaf(weight[s], slope[s], weighted);
    }
    const float inverse = 1.0f / warp_sum(total), mean = warp_sum(weighted) * inverse;
    for (int64_t q = 0; q < width; ++q) {
      float sum = 0.0f;
      MGQE_UNROLL
      for (int s = 0; s < kPerLane; ++s) {
        const int64_t k = lane_index() + s * kWarpSize;
        if (k >= centroids) continue;
        sum = fmaf(weight[s] * inverse * (slope[s] - mean), keys.row(k)[first + q], sum);
      }
      sum = warp_sum(sum);
      if (lane_index() == 0) query_gradient.row(i)[first + q] = sum;
    }
    if (lane_index() == 0) statistics[t] = {highest, inverse, mean};
  }
}

/// What the rows of each chunk add to gradients.
struct SoftmaxPartials {
  float* keys;     // (chunks, K, d)
  float* offsets;  // (chunks, K, D)
  float* values;   // (chunks, K, d)
};

/// Block (chunk, subspace and slab of kColumns of its columns): the partials of one chunk, rows in
/// order. Thread k owns centroid k. Chunks that begin past the rows write nothing.
template <int kColumns>
__global__ void __launch_bounds__(kSoftmaxCodebookThreads)
    softmax_codebook_gradient_kernel(SoftmaxRows rows, SoftmaxKeys scored, View<const float> values,
                                     const SoftmaxStatistics* __restrict__ statistics,
                                     ChunkCount chunks, SoftmaxPartials partials) {
  const View<const float> keys = scored.keys;
  const int64_t subspaces = rows.codes.cols, width = keys.cols / subspaces;
  const int64_t slabs = (width + kColumns - 1) / kColumns;
  const int64_t j = blockIdx.y / slabs, slab = blockIdx.y % slabs * kColumns;
  const int columns = static_cast<int>(min(static_cast<int64_t>(kColumns), width - slab));
  const int64_t per_chunk = chunks.length(), begin = blockIdx.x * per_chunk;
  const int64_t end = min(begin + per_chunk, rows.rows.size());
  const int64_t k = threadIdx.x;
  if (begin >= end || k >= keys.rows) return;  // no barrier below

  const float* const key = keys.row(k) + j * width;
  const float* const value = values.row(k) + j * width;
  const float offset = scored.offsets.row(k)[j];
  float key_sum[kColumns] = {}, value_sum[kColumns] = {}, offset_sum = 0.0f;
  for (int64_t i = begin; i < end; ++i) {
    const float* e = rows.queries.row(rows.rows[i]) + j * width;
    const float* g = rows.gradient.row(i) + j * width;
    const SoftmaxStatistics row = statistics[i * subspaces + j];
    const float score = softmax_dot(e, key, width) - offset;
    const float p = exp_not_positive(score - row.highest) * row.inverse;
    const float slope = p * (softmax_dot(g, value, width) - row.mean);
    offset_sum -= slope;
    const bool chosen = rows.codes.row(i)[j] == k;
    MGQE_UNROLL
    for (int q = 0; q < kColumns; ++q) {
      if (q >= columns) continue;
      key_sum[q] = fmaf(slope, e[slab + q], key_sum[q]);
      if (chosen) value_sum[q] += g[slab + q];
    }
  }
  const int64_t out = (blockIdx.x * keys.rows + k) * keys.cols + j * width + slab;
  MGQE_UNROLL
  for (int q = 0; q < kColumns; ++q) {
    if (q >= columns) continue;
    partials.keys[out + q] = key_sum[q];
    partials.values[out + q] = value_sum[q];
  }
  if (slab == 0) partials.offsets[(blockIdx.x * keys.rows + k) * subspaces + j] = offset_sum;
}

}  // namespace mgqe

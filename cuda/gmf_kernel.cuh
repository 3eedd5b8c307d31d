// GMF (He et al. 2017, eq. 9): logit = sum_i w_i p_i q_i + bias, and its gradients.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kGmfThreads = 128;

/// weights (d + 1), the bias last; logits (B). A warp per look-up.
__global__ void __launch_bounds__(kGmfThreads)
    gmf_forward_kernel(Lookup users, Lookup items, View<const float> weights, View<float> logits) {
  const int64_t d = users.rows.cols;
  const float* const w = weights.data;
  for (int64_t b = grid_warp(); b < logits.size(); b += grid_warps()) {
    const float* p = users.rows.row(users.index[b]);
    const float* q = items.rows.row(items.index[b]);
    float sum = 0.0f;
    for (int64_t c = lane_index(); c < d; c += kWarpSize) sum = fmaf(w[c] * p[c], q[c], sum);
    sum = warp_sum(sum);
    if (lane_index() == 0) logits[b] = sum + w[d];
  }
}

/// Where gmf_backward_kernel writes.
struct GmfGradients {
  View<float> users, items;  // (B, d)
  float* weight_partials;    // (chunks, d + 1)
};

/// Block (chunk, tile): look-ups [chunk * per_chunk, + per_chunk) and columns [tile * 32, + 32), a
/// lane per column; each warp takes a slice of the look-ups, and the slices' weight gradients are
/// summed in order. Column d stands for the bias.
__global__ void __launch_bounds__(kGmfThreads)
    gmf_backward_kernel(Lookup users, Lookup items, View<const float> weights,
                        View<const float> logit_gradient, int64_t per_chunk, GmfGradients out) {
  constexpr int kWarps = kGmfThreads / kWarpSize;
  constexpr int kAhead = 4;  // look-ups whose loads are in flight before the first store
  MGQE_SHARED_ARRAY(float, slices, kGmfThreads);
  const int64_t d = users.rows.cols;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarpSize + lane_index();
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int64_t first = blockIdx.x * per_chunk;
  const int64_t here = min(per_chunk, logit_gradient.size() - first);
  const int64_t begin = first + here * warp / kWarps, end = first + here * (warp + 1) / kWarps;
  const float w = c < d ? weights[c] : 0.0f;
  float sum = 0.0f;
  for (int64_t b = begin; b < end; b += kAhead) {
    float g[kAhead] = {}, p[kAhead] = {}, q[kAhead] = {};
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s) {
      if (b + s >= end) continue;
      g[s] = logit_gradient[b + s];
      if (c >= d) continue;
      p[s] = users.rows.row(users.index[b + s])[c];
      q[s] = items.rows.row(items.index[b + s])[c];
    }
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s) {
      if (b + s >= end) continue;
      if (c >= d) {
        sum += g[s];
        continue;
      }
      out.users.row(b + s)[c] = g[s] * q[s] * w;
      out.items.row(b + s)[c] = g[s] * w * p[s];
      sum = fmaf(g[s] * q[s], p[s], sum);
    }
  }
  slices[threadIdx.x] = sum;
  __syncthreads();
  if (warp != 0 || c > d) return;
  for (int s = 1; s < kWarps; ++s) sum += slices[s * kWarpSize + lane_index()];
  out.weight_partials[blockIdx.x * (d + 1) + c] = sum;
}

}  // namespace mgqe

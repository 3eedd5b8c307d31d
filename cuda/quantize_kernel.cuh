// Nearest-centroid search, decode, and the quantization error of a row.
#pragma once

#include <cmath>

#include "cuda/primitives.cuh"
#include "host/core/backend.hpp"

namespace mgqe {

inline constexpr int kAssignThreads = 128;

/// What one assign call reads and writes; shapes as in Backend::assign.
struct AssignArguments {
  View<const float> queries;     // (n, d)
  RowSet rows;                   // the rows of queries to encode
  View<const float> codebook;    // (K, d)
  View<const float> half_norms;  // (K, D)
  Tiers tiers;
  View<uint8_t> codes;  // (|rows|, D)
  View<float> decoded;  // (|rows|, d)
};

/// Lowest canonical score so far of one row in one subspace.
struct Nearest {
  float score = INFINITY;
  int code = 0;

  __device__ void offer(float candidate, int k) {
    if (candidate < score) {  // strictly: the lowest index wins a tie
      score = candidate;
      code = k;
    }
  }
};

/// Shared memory of assign_kernel: (K, w) centroids of a subspace, then (K) half norms.
inline size_t assign_shared_bytes(int64_t centroids, int64_t width) {
  return sizeof(float) * static_cast<size_t>(centroids * (width + 1));
}

/// Searches subspace j for rows `first`, first + kAssignThreads, ... of the set, kRows of them.
template <int kWidth, int kRows>
__device__ inline void assign_rows(const AssignArguments& a, int64_t first, int64_t count, int j,
                                   const FloatVector<kWidth>* centroids, const float* half_norms) {
  using Vector = FloatVector<kWidth>;
  Vector e[kRows];
  Nearest nearest[kRows];
  int limit[kRows];
  int common = kMaxCentroids;  // centroids that every row of this thread may use
  MGQE_UNROLL
  for (int s = 0; s < kRows; ++s) {
    const int64_t i = first + s * kAssignThreads;
    const int64_t r = a.rows[i < count ? i : first];
    limit[s] = a.tiers.limit(r);
    common = min(common, limit[s]);
    e[s] = reinterpret_cast<const Vector*>(a.queries.row(r))[j];
  }
  for (int k = 0; k < common; ++k) {
    const Vector c = centroids[k];
    const float half_norm = half_norms[k];
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s)
      nearest[s].offer(centroid_score(e[s].x, c.x, half_norm, kWidth), k);
  }
  MGQE_UNROLL
  for (int s = 0; s < kRows; ++s) {
    if (limit[s] == 0) continue;
    for (int k = common; k < limit[s]; ++k)  // only where a thread's rows straddle two tiers
      nearest[s].offer(centroid_score(e[s].x, centroids[k].x, half_norms[k], kWidth), k);
    const int64_t i = first + s * kAssignThreads;
    if (i >= count) continue;
    a.codes.row(i)[j] = static_cast<uint8_t>(nearest[s].code);
    reinterpret_cast<Vector*>(a.decoded.row(i))[j] = centroids[nearest[s].code];
  }
}

/// Block = a tile of kAssignThreads * kRows rows x subspace blockIdx.y, repeated down the rows.
/// Needs d a multiple of kWidth, rows aligned to the vector, assign_shared_bytes(K, kWidth).
template <int kWidth, int kRows>
__global__ void __launch_bounds__(kAssignThreads) assign_kernel(AssignArguments a) {
  MGQE_DYNAMIC_SHARED(float, shared);
  const int centroids = static_cast<int>(a.codebook.rows);
  const int j = static_cast<int>(blockIdx.y);
  constexpr int64_t kTile = kAssignThreads * kRows;
  const int64_t count = a.rows.size();
  if (blockIdx.x * kTile >= count) return;

  auto* const table = reinterpret_cast<FloatVector<kWidth>*>(shared);
  float* const half_norms = shared + centroids * kWidth;
  for (int k = static_cast<int>(threadIdx.x); k < centroids; k += kAssignThreads) {
    table[k] = reinterpret_cast<const FloatVector<kWidth>*>(a.codebook.row(k))[j];
    half_norms[k] = a.half_norms.row(k)[j];
  }
  __syncthreads();
  for (int64_t tile = blockIdx.x * kTile; tile < count; tile += gridDim.x * kTile) {
    const int64_t first = tile + threadIdx.x;
    if (first < count) assign_rows<kWidth, kRows>(a, first, count, j, table, half_norms);
  }
}

/// Any width: a thread per (row, subspace), everything read from global memory.
__global__ void __launch_bounds__(kAssignThreads) assign_any_width_kernel(AssignArguments a) {
  const int64_t subspaces = a.codes.cols, width = a.queries.cols / subspaces;
  const int64_t work = a.rows.size() * subspaces;
  for (int64_t t = grid_thread(); t < work; t += grid_threads()) {
    const int64_t i = t / subspaces, j = t % subspaces, r = a.rows[i];
    const float* e = a.queries.row(r) + j * width;
    const int limit = a.tiers.limit(r);
    if (limit == 0) continue;
    Nearest nearest;
    for (int k = 0; k < limit; ++k) {
      const float* c = a.codebook.row(k) + j * width;
      nearest.offer(centroid_score(e, c, a.half_norms.row(k)[j], static_cast<int>(width)), k);
    }
    a.codes.row(i)[j] = static_cast<uint8_t>(nearest.code);
    const float* c = a.codebook.row(nearest.code) + j * width;
    for (int64_t q = 0; q < width; ++q) a.decoded.row(i)[j * width + q] = c[q];
  }
}

/// squared_error[i] = ||queries[rows[i]] - decoded[i]||^2, a warp per row.
__global__ void __launch_bounds__(kAssignThreads)
    squared_error_kernel(View<const float> queries, RowSet rows,
                         const __grid_constant__ Tiers tiers, View<const float> decoded,
                         View<float> squared_error) {
  const int64_t count = rows.size();
  for (int64_t i = grid_warp(); i < count; i += grid_warps()) {
    if (tiers.limit(rows[i]) == 0) continue;
    const float* e = queries.row(rows[i]);
    const float* c = decoded.row(i);
    float sum = 0.0f;
    for (int64_t q = lane_index(); q < queries.cols; q += kWarpSize)
      sum = fmaf(e[q] - c[q], e[q] - c[q], sum);
    sum = warp_sum(sum);
    if (lane_index() == 0) squared_error[i] = sum;
  }
}

}  // namespace mgqe

// Codebook gradient of one chunk of distinct rows, summed in a table in shared memory.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

/// Columns of the table a block owns, one per thread: with K <= 256 the table is at most 32 KB,
/// whatever d, and a lane's bank is its column, so no two lanes meet.
inline constexpr int kSlabColumns = kWarpSize;

/// Rows whose loads are in flight while earlier ones are added.
inline constexpr int kRowsAhead = 8;

inline size_t codebook_gradient_shared_bytes(int64_t centroids) {
  return sizeof(float) * static_cast<size_t>(centroids * kSlabColumns);
}

/// Block (chunk, slab): partials[chunk] (K, d), columns [slab * 32, + 32), = the gradient that
/// distinct rows [chunk * length, + length) add, rows in order, those of a tier without centroids
/// skipped. Chunks that begin at or past *unique.count write nothing.
__global__ void __launch_bounds__(kSlabColumns)
    codebook_gradient_kernel(View<const float> queries, UniqueIds unique,
                             const __grid_constant__ Tiers tiers, View<const uint8_t> codes,
                             View<const float> codebook, float scale, ChunkCount chunks,
                             float* __restrict__ partials) {
  MGQE_DYNAMIC_SHARED(float, table);  // (K, kSlabColumns)
  const int64_t first = blockIdx.x * chunks.length();
  const int64_t last = min(first + chunks.length(), static_cast<int64_t>(*unique.count.data));
  if (first >= last) return;
  const int64_t d = codebook.cols, centroids = codebook.rows;
  const int column = static_cast<int>(threadIdx.x);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kSlabColumns + column;
  if (c >= d) return;  // no barrier below: a thread works in its own column alone

  const int64_t j = c * codes.cols / d;
  float* const __restrict__ sums = table + column;
  for (int64_t k = 0; k < centroids; ++k) sums[k * kSlabColumns] = 0.0f;
  for (int64_t u = first; u < last; u += kRowsAhead) {
    bool live[kRowsAhead] = {};
    int code[kRowsAhead] = {};
    float weight[kRowsAhead] = {}, difference[kRowsAhead] = {};
    MGQE_UNROLL
    for (int s = 0; s < kRowsAhead; ++s) {
      live[s] = u + s < last && tiers.limit(unique.ids[u + s]) > 0;
      if (!live[s]) continue;
      code[s] = codes.row(u + s)[j];
      weight[s] = scale * static_cast<float>(unique.weight(u + s));
      difference[s] = codebook.row(code[s])[c] - queries.row(unique.place(u + s))[c];
    }
    MGQE_UNROLL
    for (int s = 0; s < kRowsAhead; ++s) {
      if (!live[s]) continue;
      float& sum = sums[code[s] * kSlabColumns];
      sum = fmaf(weight[s], difference[s], sum);
    }
  }
  float* const out = partials + blockIdx.x * centroids * d;
  for (int64_t k = 0; k < centroids; ++k) out[k * d + c] = sums[k * kSlabColumns];
}

}  // namespace mgqe

// Sums in a fixed order, so that runs are bitwise the same.
#pragma once

#include "cuda/primitives.cuh"

namespace mgqe {

inline constexpr int kSumColumns = kWarpSize;
inline constexpr int kSumSlices = 8;

/// out[i] = sum over live chunks of partials (chunks, n). Block = 32 columns x 8 slices of chunks;
/// a slice sums its chunks in order, then the slices are summed in order.
__global__ void __launch_bounds__(kSumColumns* kSumSlices)
    sum_chunks_kernel(const float* __restrict__ partials, ChunkCount chunk_count, int64_t n,
                      float* __restrict__ out) {
  MGQE_SHARED_ARRAY(float, slices, kSumColumns* kSumSlices);
  const int column = static_cast<int>(threadIdx.x) % kSumColumns;
  const int slice = static_cast<int>(threadIdx.x) / kSumColumns;
  const int64_t chunks = chunk_count.live();
  const int64_t begin = chunks * slice / kSumSlices, end = chunks * (slice + 1) / kSumSlices;
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * kSumColumns; base < n;
       base += static_cast<int64_t>(gridDim.x) * kSumColumns) {
    const int64_t i = base + column;
    float sum = 0.0f;
    if (i < n)
      for (int64_t chunk = begin; chunk < end; ++chunk) sum += partials[chunk * n + i];
    slices[slice * kSumColumns + column] = sum;
    __syncthreads();
    if (slice == 0 && i < n) {
      for (int s = 1; s < kSumSlices; ++s) sum += slices[s * kSumColumns + column];
      out[i] = sum;
    }
    __syncthreads();
  }
}

/// partials (chunks, n): column sums of chunks of rows of x (m, n). Block (chunk, 32 columns), a
/// lane a column; each warp sums a slice of the chunk in order, then the slices are summed in
/// order.
__global__ void __launch_bounds__(kSumColumns* kSumSlices)
    sum_rows_kernel(View<const float> x, int64_t rows_per_chunk, float* __restrict__ partials) {
  MGQE_SHARED_ARRAY(float, slices, kSumColumns* kSumSlices);
  const int column = static_cast<int>(threadIdx.x) % kSumColumns;
  const int slice = static_cast<int>(threadIdx.x) / kSumColumns;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kSumColumns + column;
  const int64_t first = blockIdx.x * rows_per_chunk;
  const int64_t here = min(rows_per_chunk, x.rows - first);
  const int64_t begin = first + here * slice / kSumSlices;
  const int64_t end = first + here * (slice + 1) / kSumSlices;
  float sum = 0.0f;
  if (c < x.cols)
    for (int64_t r = begin; r < end; ++r) sum += x.row(r)[c];
  slices[threadIdx.x] = sum;
  __syncthreads();
  if (slice != 0 || c >= x.cols) return;
  for (int s = 1; s < kSumSlices; ++s) sum += slices[s * kSumColumns + column];
  partials[blockIdx.x * x.cols + c] = sum;
}

inline constexpr int kAccumulateThreads = 256;

/// sums[block] = (keep ? sums[block] : 0) + sum of the elements of x (n) that fall to the block.
template <class T>
__global__ void __launch_bounds__(kAccumulateThreads)
    accumulate_kernel(const T* __restrict__ x, int64_t n, bool keep, double* sums) {
  double sum = 0.0;
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) sum += x[i];
  sum = block_sum<kAccumulateThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = (keep ? sums[blockIdx.x] : 0.0) + sum;
}

}  // namespace mgqe

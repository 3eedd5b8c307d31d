// Sums in a fixed order, so that runs are bitwise the same.
#pragma once

#include "cuda/primitives.cuh"
#include "host/base/tensor.hpp"

namespace mgqe {

inline constexpr int kSumColumns = kWarpSize;
inline constexpr int kSumSlices = 8;

inline constexpr int kMostSums = 4;

/// Element `index` of `all`, which a lookup by an index that is no constant would put on the stack.
template <class T>
__device__ inline T choose(const T (&all)[kMostSums], int64_t index) {
  T chosen = all[0];
  MGQE_UNROLL
  for (int i = 1; i < kMostSums; ++i)
    if (index == i) chosen = all[i];
  return chosen;
}

/// Where sums go: up to kMostSums arrays of one size, one after the other.
struct SumTargets {
  float* arrays[kMostSums];
  int64_t size;
  int64_t count = 1;

  __device__ void store(int64_t i, float sum) const {
    const int64_t which = count == 1 ? 0 : i / size;
    choose(arrays, which)[i - which * size] = sum;
  }
};

/// Element i of the targets = sum over live chunks of partials (chunks, elements). Block = 32
/// columns x 8 slices of chunks; a slice sums its chunks in order, then the slices are summed in
/// order.
__global__ void __launch_bounds__(kSumColumns* kSumSlices)
    sum_chunks_kernel(const float* __restrict__ partials, ChunkCount chunk_count, SumTargets out) {
  MGQE_SHARED_ARRAY(float, slices, kSumColumns* kSumSlices);
  const int column = static_cast<int>(threadIdx.x) % kSumColumns;
  const int slice = static_cast<int>(threadIdx.x) / kSumColumns;
  const int64_t n = out.count * out.size;
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
      out.store(i, sum);
    }
    __syncthreads();
  }
}

/// Up to kMostSums matrices (m, n) whose columns are summed.
struct RowsToSum {
  View<const float> x[kMostSums];
};

/// partials (chunks, matrices, n): column sums of chunks of rows. Block (chunk, 32 columns,
/// matrix), a lane a column; each warp sums a slice of the chunk in order, then the slices are
/// summed in order.
__global__ void __launch_bounds__(kSumColumns* kSumSlices)
    sum_rows_kernel(RowsToSum rows, int64_t rows_per_chunk, float* __restrict__ partials) {
  MGQE_SHARED_ARRAY(float, slices, kSumColumns* kSumSlices);
  const View<const float> x = choose(rows.x, blockIdx.z);
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
  partials[(static_cast<int64_t>(blockIdx.x) * gridDim.z + blockIdx.z) * x.cols + c] = sum;
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

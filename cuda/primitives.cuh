// What every kernel body shares: shared-memory macros, warp and block reductions in a fixed order,
// and vectors of w floats that load in one instruction. No CUDA-only header, so that bodies also
// compile for the CPU through tests/kernels/simt.hpp, which defines the macros its own way.
#pragma once

#include <cstdint>

#include "host/base/check.hpp"

#if defined(__CUDACC__)
/// T name[count] in shared memory, 16-byte aligned.
#define MGQE_SHARED_ARRAY(T, name, count) __shared__ __align__(16) T name[count]
/// The launch's dynamic shared memory as T* name.
#define MGQE_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(16) unsigned char mgqe_dynamic_shared_[]; \
  T* const name = reinterpret_cast<T*>(mgqe_dynamic_shared_)
#define MGQE_UNROLL _Pragma("unroll")
#else
#define MGQE_UNROLL
#endif

namespace mgqe {

inline constexpr int kWarpSize = 32;
inline constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

/// kWidth floats, loaded and stored as one aligned vector of up to 16 bytes.
template <int kWidth>
struct alignas(kWidth >= 4 ? 16 : 4 * kWidth) FloatVector {
  float x[kWidth];
};

/// How many chunk partials exist: all `chunks`, or those that begin before *count (device memory).
/// Chunks grow past per_chunk where *count would make more than max_chunks of them.
struct ChunkCount {
  int64_t chunks = 0;
  const int32_t* count = nullptr;
  int64_t per_chunk = 1;
  int64_t max_chunks = INT32_MAX;

  __device__ int64_t length() const {
    if (count == nullptr) return per_chunk;
    const int64_t least = (*count + max_chunks - 1) / max_chunks;
    return least < per_chunk ? per_chunk : least;
  }
  __device__ int64_t live() const {
    return count == nullptr ? chunks : (*count + length() - 1) / length();
  }
};

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarpSize; }

/// This warp's number in the grid, and the number of warps of the grid; blocks are 1-D.
__device__ inline int64_t grid_warp() {
  return (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kWarpSize;
}
__device__ inline int64_t grid_warps() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x / kWarpSize;
}

/// This thread's number in the grid, and the number of threads of the grid.
__device__ inline int64_t grid_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t grid_threads() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

/// Sum over the `kLanes` lanes of each aligned group of the warp, in every lane of it. A butterfly:
/// the same order, so the same bits, on every run and in every lane.
template <int kLanes = kWarpSize, class T>
__device__ inline T warp_sum(T value) {
  MGQE_UNROLL
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

/// Maximum over the `kLanes` lanes of each aligned group of the warp, in every lane of it.
template <int kLanes = kWarpSize>
__device__ inline float warp_max(float value) {
  MGQE_UNROLL
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/// Sum over the block's kThreads threads, in thread 0; every thread must call it.
template <int kThreads, class T>
__device__ inline T block_sum(T value) {
  constexpr int kWarps = kThreads / kWarpSize;
  MGQE_SHARED_ARRAY(T, warp_sums, kWarps);
  value = warp_sum(value);
  __syncthreads();  // an earlier call may still be reading
  if (lane_index() == 0) warp_sums[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  if (threadIdx.x == 0)
    for (int w = 1; w < kWarps; ++w) value += warp_sums[w];
  return value;
}

}  // namespace mgqe

// What keeps the FFMA units, or the writes to memory, of a GPU fully busy.
#pragma once

#include <cmath>

#include "cuda/primitives.cuh"

namespace mgqe {

/// 32 warps a block, so eight for each of a multiprocessor's four schedulers, with eight chains a
/// thread: sixteen times the fma that four cycles of latency need in flight.
inline constexpr int kChainThreads = 1024;
inline constexpr int kChainsPerThread = 8;
/// Steps between two tests of the loop.
inline constexpr int kChainUnroll = 16;

/// sums[block] = sum over the block's chains of x_steps, x_{i+1} = fma(x_i, factor, addend), x_0 =
/// 0.
__global__ void __launch_bounds__(kChainThreads)
    fma_chains_kernel(int64_t steps, float factor, float addend, float* __restrict__ sums) {
  float x[kChainsPerThread] = {};
  int64_t i = 0;
  for (; i + kChainUnroll <= steps; i += kChainUnroll) {
    MGQE_UNROLL
    for (int step = 0; step < kChainUnroll; ++step) {
      MGQE_UNROLL
      for (int chain = 0; chain < kChainsPerThread; ++chain)
        x[chain] = fmaf(x[chain], factor, addend);
    }
  }
  for (; i < steps; ++i) {
    MGQE_UNROLL
    for (int chain = 0; chain < kChainsPerThread; ++chain)
      x[chain] = fmaf(x[chain], factor, addend);
  }
  float sum = 0.0f;
  MGQE_UNROLL
  for (int chain = 0; chain < kChainsPerThread; ++chain) sum += x[chain];
  sum = block_sum<kChainThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

inline constexpr int kStreamThreads = 256;
using StreamVector = FloatVector<4>;

/// out (n) = x (n), 16 bytes a thread and step; both aligned to 16 bytes.
__global__ void __launch_bounds__(kStreamThreads)
    copy_kernel(int64_t n, const float* __restrict__ x, float* __restrict__ out) {
  const int64_t vectors = n / 4;
  for (int64_t i = grid_thread(); i < vectors; i += grid_threads())
    reinterpret_cast<StreamVector*>(out)[i] = reinterpret_cast<const StreamVector*>(x)[i];
  for (int64_t i = 4 * vectors + grid_thread(); i < n; i += grid_threads()) out[i] = x[i];
}

/// x[i] = value, 16 bytes a thread and step; x aligned to 16 bytes.
__global__ void __launch_bounds__(kStreamThreads)
    fill_kernel(int64_t n, float value, float* __restrict__ x) {
  const int64_t vectors = n / 4;
  const StreamVector values{{value, value, value, value}};
  for (int64_t i = grid_thread(); i < vectors; i += grid_threads())
    reinterpret_cast<StreamVector*>(x)[i] = values;
  for (int64_t i = 4 * vectors + grid_thread(); i < n; i += grid_threads()) x[i] = value;
}

}  // namespace mgqe

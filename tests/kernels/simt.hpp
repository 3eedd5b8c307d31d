// Runs CUDA kernel bodies on the CPU, so that a build without a GPU tests them. Include this before
// a cuda/*_kernel.cuh: it defines what those bodies use of CUDA, and launch().
//
// Each thread of a block is a fiber. Fibers run one at a time, in an order drawn from the seed, and
// change hands only at __syncthreads, __syncwarp and warp collectives; blocks run one after the
// other, also in a drawn order. So a missing barrier meets an order that shows it. Shared memory is
// filled with 0xFF bytes (NaN, -1) before each block and lies in heap blocks of the exact size, so
// AddressSanitizer sees an access past its end. A barrier or collective that some thread of its
// group never reaches is a deadlock: launch throws LaunchError and says who waits where.
//
// Stricter than the hardware: a thread that returned never counts as arrived. `__shared__` is left
// undefined on purpose: shared memory comes from MGQE_SHARED_ARRAY and MGQE_DYNAMIC_SHARED, which
// are the ones that are poisoned.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "tests/kernels/block.hpp"

#define __global__ [[maybe_unused]] static
#define __device__
#define __launch_bounds__(...)
#define __grid_constant__
using std::max;
using std::min;

namespace simt {

inline Block* current_block = nullptr;

/// kernel<<<grid, block, shared_bytes>>>(args...) under one schedule. Throws LaunchError.
template <class Kernel, class... Args>
void launch(dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed, Kernel kernel,
            const Args&... args) {
  gridDim = grid;
  blockDim = block;
  std::vector<uint64_t> order(uint64_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(order.begin(), order.end(), random);
  Block state(block, shared_bytes, seed + 1);
  current_block = &state;
  for (const uint64_t b : order) {
    blockIdx.x = static_cast<unsigned>(b % grid.x);
    blockIdx.y = static_cast<unsigned>(b / grid.x % grid.y);
    blockIdx.z = static_cast<unsigned>(b / grid.x / grid.y);
    state.run([&] { kernel(args...); });
  }
  current_block = nullptr;
}

template <class T>
T shuffle(uint32_t mask, T value, int source) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = current_block->collective(Collective::kShuffle, mask, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int lane() {
  const unsigned i = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  return static_cast<int>(i % kWarp);
}

}  // namespace simt

inline void __syncthreads() { simt::current_block->sync_threads(); }
inline void __syncwarp(uint32_t mask = 0xFFFFFFFFu) {
  simt::current_block->collective(simt::Collective::kSyncWarp, mask, 0, 0);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  return static_cast<uint32_t>(
      simt::current_block->collective(simt::Collective::kBallot, mask, predicate != 0, 0));
}
template <class T>
T __shfl_sync(uint32_t mask, T value, int source) {
  return simt::shuffle(mask, value, source % simt::kWarp);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lane_mask) {
  return simt::shuffle(mask, value, simt::lane() ^ lane_mask);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, int delta) {
  const int source = simt::lane() + delta;
  return simt::shuffle(mask, value, source < simt::kWarp ? source : simt::lane());
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, int delta) {
  const int source = simt::lane() - delta;
  return simt::shuffle(mask, value, source >= 0 ? source : simt::lane());
}
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }

/// Fibers never run at the same time, so a plain add is atomic.
template <class T>
T atomicAdd(T* address, T value) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, float> ||
                std::is_same_v<T, unsigned long long>);
  const T old = *address;
  *address = old + value;
  return old;
}

#define MGQE_SHARED_ARRAY(T, name, count) \
  static const char name##_tag = 0;       \
  T* const name =                         \
      static_cast<T*>(simt::current_block->static_shared(&name##_tag, sizeof(T) * (count)))
#define MGQE_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(simt::current_block->dynamic_shared())

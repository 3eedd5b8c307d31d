// Runs CUDA kernel bodies on the CPU, so that a build without a GPU tests them. Include this before
// a cuda/*_kernel.cuh: it defines what those bodies use of CUDA, and launch().
//
// Each thread of a block is a fiber (block.hpp). Threads run one at a time, in an order drawn from
// the seed, and change hands only at __syncthreads, __syncwarp and warp collectives; blocks run one
// after the other, also in a drawn order. So a missing barrier meets an order that shows it. Shared
// memory is filled with 0xFF bytes (NaN, -1) before each block and lies in heap blocks of the exact
// size, so AddressSanitizer sees an access past its end. A barrier or collective that some thread
// of its group never reaches is a deadlock: launch throws LaunchError and says who waits where.
//
// Stricter than the hardware: a thread that returned never counts as arrived. `__shared__` is left
// undefined on purpose: shared memory comes from MGQE_SHARED_ARRAY and MGQE_DYNAMIC_SHARED, which
// are the ones that are poisoned.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <type_traits>
#include <utility>

#include "tests/kernels/block.hpp"
#include "tests/kernels/dim3.hpp"

#define __global__ [[maybe_unused]] static
#define __device__
#define __launch_bounds__(...)
#define __grid_constant__
using std::max;
using std::min;

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace simt {

inline constexpr size_t kSharedLimit = 48 << 10;  // what a kernel gets without opting in to more
/// What launches may use: a test whose launcher calls cudaFuncSetAttribute raises it as that does.
inline size_t shared_limit = kSharedLimit;

struct Threads {
  void running(int thread) { threadIdx = index_in(blockDim, static_cast<unsigned>(thread)); }
  void lanes_met(int, uint32_t) {}
  void threads_met() {}
};

/// Shared memory of one block, in heap blocks of the exact size.
class SharedMemory {
 public:
  explicit SharedMemory(size_t dynamic_bytes) : dynamic_bytes_(dynamic_bytes) {
    if (dynamic_bytes > shared_limit)
      throw LaunchError(std::to_string(dynamic_bytes) + " bytes of shared memory");
    dynamic_ = poisoned(dynamic_bytes);
  }
  void begin_block() {
    std::memset(dynamic_.get(), 0xFF, dynamic_bytes_);
    arrays_.clear();
  }
  /// Of one MGQE_SHARED_ARRAY, known by the address of its tag.
  void* array(const void* tag, size_t bytes) {
    for (auto& [known, memory] : arrays_)
      if (known == tag) return memory.get();
    arrays_.emplace_back(tag, poisoned(bytes));
    return arrays_.back().second.get();
  }
  void* dynamic() { return dynamic_.get(); }

 private:
  using Bytes = std::unique_ptr<unsigned char[]>;
  static Bytes poisoned(size_t bytes) {
    Bytes memory(new unsigned char[bytes]);
    std::memset(memory.get(), 0xFF, bytes);
    return memory;
  }
  size_t dynamic_bytes_;
  Bytes dynamic_;
  std::vector<std::pair<const void*, Bytes>> arrays_;
};

inline Block<Threads>* current_block = nullptr;
inline SharedMemory* current_shared = nullptr;

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
  Threads threads;
  Block<Threads> state(static_cast<int>(block.x * block.y * block.z), seed + 1, threads);
  SharedMemory shared(shared_bytes);
  current_block = &state;
  current_shared = &shared;
  for (const uint64_t b : order) {
    blockIdx = index_in(grid, static_cast<unsigned>(b));
    shared.begin_block();
    state.run([&] { kernel(args...); });
  }
  current_block = nullptr;
  current_shared = nullptr;
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
  T* const name = static_cast<T*>(simt::current_shared->array(&name##_tag, sizeof(T) * (count)))
#define MGQE_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(simt::current_shared->dynamic())

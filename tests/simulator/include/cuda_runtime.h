// Stand-in for the CUDA runtime: its API and the device language, as far as cuda/ uses them, for a C++
// compiler. Included before anything else, as nvcc does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>

#include "tests/kernels/dim3.hpp"

// ---- types --------------------------------------------------------------------------------------
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorMisalignedAddress = 716,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureMerge = 902,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorStreamCaptureImplicit = 906,
  cudaErrorCapturedEvent = 907,
  cudaErrorStreamCaptureWrongThread = 908,
};
typedef struct SimulatedStream* cudaStream_t;
typedef struct SimulatedEvent* cudaEvent_t;
typedef struct SimulatedGraph* cudaGraph_t;
typedef struct SimulatedGraphExec* cudaGraphExec_t;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum : unsigned { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum : unsigned { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
struct cudaFuncAttributes {
  int maxThreadsPerBlock;
};
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int multiProcessorCount, major, minor;
};

// ---- the API ------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int*);
cudaError_t cudaSetDevice(int);
cudaError_t cudaGetDevice(int*);
cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int device);
cudaError_t cudaDeviceGetPCIBusId(char*, int length, int device);
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaRuntimeGetVersion(int*);
cudaError_t cudaDriverGetVersion(int*);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);

cudaError_t cudaMalloc(void**, size_t);
template <class T>
cudaError_t cudaMalloc(T** pointer, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
cudaError_t cudaFree(void*);
cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t = nullptr);
cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t = nullptr);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t*, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaStreamQuery(cudaStream_t);
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventQuery(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*);
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t);
cudaError_t cudaGraphDestroy(cudaGraph_t);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t);

// ---- launches -----------------------------------------------------------------------------------
namespace simulator {

/// A launch with its arguments copied: what a thread calls, later.
struct Launch {
  const char* file;
  int line;
  const void* kernel;
  dim3 grid, block;
  size_t shared_bytes;
  std::shared_ptr<void> arguments;
  size_t argument_bytes;
  void (*call)(const void* kernel, const void* arguments);
};
void enqueue(const Launch&, cudaStream_t);
cudaError_t set_attribute(const void* kernel, cudaFuncAttribute, int value);
cudaError_t get_attributes(cudaFuncAttributes*, const void* kernel);

template <class... P>
void launch(const char* file, int line, void (*kernel)(P...), dim3 grid, dim3 block,
            size_t shared_bytes, cudaStream_t stream, std::type_identity_t<P>... arguments) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "arguments are copied as bytes");
  static_assert((sizeof(P) + ... + 0) <= 4096, "arguments of more than 4 KB");
  using Arguments = std::tuple<P...>;
  enqueue({file, line, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
           std::make_shared<Arguments>(arguments...), sizeof(Arguments),
           [](const void* function, const void* packed) {
             std::apply(reinterpret_cast<void (*)(P...)>(const_cast<void*>(function)),
                        *static_cast<const Arguments*>(packed));
           }},
          stream);
}

}  // namespace simulator

#define MGQE_START_KERNEL(kernel, grid, block, shared_bytes, stream, ...)    \
  ::simulator::launch(__FILE__, __LINE__, kernel, grid, block, shared_bytes, \
                      stream __VA_OPT__(, ) __VA_ARGS__)

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute which, int value) {
  return simulator::set_attribute(reinterpret_cast<const void*>(kernel), which, value);
}

template <class Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel* kernel) {
  return simulator::get_attributes(attributes, reinterpret_cast<const void*>(kernel));
}
// What nvcc says that it makes code for.
#define __CUDA_ARCH_LIST__ 800, 900

// ---- the device language ------------------------------------------------------------------------
// Constant for as long as a thread can look, and of no constructor, so that reading them costs no
// check.
extern const uint3 threadIdx, blockIdx, blockDim, gridDim;
inline constexpr int warpSize = 32;

#define __global__ [[maybe_unused]]
#define __device__
#define __host__
#define __grid_constant__
// So many empty instructions before the kernel, whose place the compiler lists in a section of its
// own: the bound can be read back from a pointer to the kernel.
#define __launch_bounds__(...) SIMULATOR_BOUNDS(__VA_ARGS__, 0)
#define SIMULATOR_BOUNDS(threads, ...) \
  __attribute__((patchable_function_entry(sizeof(char[(threads)]), sizeof(char[(threads)]))))

using std::max;
using std::min;

namespace simulator {

enum class Meeting { kSyncWarp, kShuffle, kBallot };
void sync_threads();
uint64_t meet(Meeting, uint32_t mask, uint64_t value, int argument);
void* shared_array(const void* tag, size_t bytes);
void* dynamic_shared();
void note_atomic(void*, size_t bytes, const void* caller);

template <class T>
T shuffle(uint32_t mask, T value, int source) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = meet(Meeting::kShuffle, mask, bits, source);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
inline int lane() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) %
                          32);
}

/// Threads never run at the same time, so a plain change is atomic.
template <class T, class Change>
__attribute__((noinline, no_sanitize("thread"))) T atomic(T* address, const Change& change) {
  note_atomic(address, sizeof(T), __builtin_return_address(0));
  T old;
  __builtin_memcpy(&old, address, sizeof(T));
  const T now = change(old);
  __builtin_memcpy(address, &now, sizeof(T));
  return old;
}

}  // namespace simulator

inline void __syncthreads() { simulator::sync_threads(); }
inline void __syncwarp(uint32_t mask = 0xFFFFFFFFu) {
  simulator::meet(simulator::Meeting::kSyncWarp, mask, 0, 0);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  return static_cast<uint32_t>(
      simulator::meet(simulator::Meeting::kBallot, mask, predicate != 0, 0));
}
template <class T>
T __shfl_sync(uint32_t mask, T value, int source) {
  return simulator::shuffle(mask, value, source % 32);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lane_mask) {
  return simulator::shuffle(mask, value, simulator::lane() ^ lane_mask);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, int delta) {
  const int source = simulator::lane() + delta;
  return simulator::shuffle(mask, value, source < 32 ? source : simulator::lane());
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, int delta) {
  const int source = simulator::lane() - delta;
  return simulator::shuffle(mask, value, source >= 0 ? source : simulator::lane());
}
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return simulator::atomic(address, [&](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return simulator::atomic(address, [&](T old) { return std::max(old, value); });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return simulator::atomic(address, [&](T old) { return std::min(old, value); });
}

#define MGQE_SHARED_ARRAY(T, name, count) \
  static const char name##_tag = 0;       \
  T* const name = static_cast<T*>(::simulator::shared_array(&name##_tag, sizeof(T) * (count)))
#define MGQE_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::simulator::dynamic_shared())

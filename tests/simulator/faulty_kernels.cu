#include <cub/device/device_radix_sort.cuh>

#include "cuda/launch.cuh"
#include "cuda/primitives.cuh"
#include "tests/simulator/faulty_kernels.hpp"

namespace faulty {
namespace {

using mgqe::kAllLanes;

constexpr int kTable[4] = {1, 2, 3, 4};
int host_variable = 5;
constexpr int kSixtyFour = 64;

int index() { return static_cast<int>(threadIdx.x); }

}  // namespace

__global__ void __launch_bounds__(1024) copy_kernel(const int* in, int* out, int shift) {
  out[index() + shift] = in[index()];
}
__global__ void __launch_bounds__(1024) add_one_kernel(int* x) { x[index()] += 1; }
__global__ void __launch_bounds__(1024) count_kernel(int* x) { atomicAdd(x, 1); }
__global__ void __launch_bounds__(32) write_through_kernel(int* x) { *x = 1; }
__global__ void __launch_bounds__(32) read_host_kernel(int* out) { *out = host_variable; }
__global__ void __launch_bounds__(32) read_table_kernel(int* out) { *out = kTable[*out]; }
__global__ void __launch_bounds__(32) copy_vectors_kernel(const float* in, float* out) {
  using Vector = mgqe::FloatVector<4>;
  *reinterpret_cast<Vector*>(out) = *reinterpret_cast<const Vector*>(in);
}

template <bool kWithBarrier>
__global__ void __launch_bounds__(kSixtyFour) reverse_kernel(const int* in, int* out) {
  MGQE_SHARED_ARRAY(int, tile, kSixtyFour);
  tile[index()] = 0;
  __syncthreads();
  tile[index()] = in[index()];
  if (kWithBarrier) __syncthreads();
  out[index()] = tile[kSixtyFour - 1 - index()];
}
template <bool kWithBarrier>
__global__ void __launch_bounds__(kSixtyFour) reverse_warps_kernel(const int* in, int* out) {
  MGQE_SHARED_ARRAY(int, tile, kSixtyFour);
  tile[index()] = 0;
  __syncwarp();
  tile[index()] = in[index()];
  if (kWithBarrier) __syncwarp();
  out[index()] = tile[index() ^ 31];
}
template <bool kWithBarrier>
__global__ void __launch_bounds__(32) exchange_kernel(int* out) {
  MGQE_SHARED_ARRAY(int, tile, 32);
  tile[index()] = 0;
  __syncwarp();
  tile[index()] = index();
  if (kWithBarrier) __syncwarp(index() < 16 ? 0x0000FFFFu : 0xFFFF0000u);
  out[index()] = tile[index() ^ 1];
}
template <bool kWithBarrier>
__global__ void __launch_bounds__(32) read_together_kernel(int* x, int* out) {
  const int value = *x;
  out[index()] = value;
  if (kWithBarrier) __syncwarp();
  if (index() == 5) *x = value + 1;
}
__global__ void __launch_bounds__(32) read_shared_kernel(int* out, bool written) {
  MGQE_SHARED_ARRAY(int, tile, 32);
  if (written) tile[index()] = 1;
  out[index()] = tile[index()];
}
__global__ void __launch_bounds__(32) step_past_kernel(int* out) {
  MGQE_SHARED_ARRAY(int, tile, 32);
  tile[index() + 1] = 1;
  out[index()] = 1;
}
__global__ void __launch_bounds__(64) barrier_for_some_kernel() {
  if (index() < 40) __syncthreads();
}
__global__ void __launch_bounds__(32) collective_for_some_kernel() {
  if (index() != 5) __syncwarp();
}
__global__ void __launch_bounds__(32) strange_mask_kernel() { __ballot_sync(0xFFFFu, 1); }
__global__ void __launch_bounds__(128) bounded_kernel_body() {}
__global__ void __launch_bounds__(32) dynamic_kernel(int* out) {
  MGQE_DYNAMIC_SHARED(int, memory);
  memory[0] = 1;
  *out = memory[0];
}
__global__ void __launch_bounds__(32) static_kernel(int* out) {
  MGQE_SHARED_ARRAY(int, memory, 10 << 10);
  memory[0] = 1;
  *out = memory[0];
}

#define LAUNCH(kernel, grid, block, bytes, ...) \
  MGQE_START_KERNEL(kernel, grid, block, bytes, stream __VA_OPT__(, ) __VA_ARGS__)

void copy(const int* in, int* out, int n, int shift, cudaStream_t stream) {
  LAUNCH(copy_kernel, 1, n, 0, in, out, shift);
}
void add_one(int* x, int n, int blocks, cudaStream_t stream) {
  LAUNCH(add_one_kernel, blocks, n, 0, x);
}
void count(int* x, int n, int blocks, cudaStream_t stream) {
  LAUNCH(count_kernel, blocks, n, 0, x);
}
void write_through_null(cudaStream_t stream) { LAUNCH(write_through_kernel, 1, 1, 0, nullptr); }
void read_host_variable(int* out, cudaStream_t stream) {
  host_variable = 6;
  LAUNCH(read_host_kernel, 1, 1, 0, out);
}
void read_constant_table(int* out, cudaStream_t stream) { LAUNCH(read_table_kernel, 1, 1, 0, out); }
void copy_vectors(const float* in, float* out, cudaStream_t stream) {
  LAUNCH(copy_vectors_kernel, 1, 1, 0, in, out);
}
void reverse(const int* in, int* out, bool with_barrier, cudaStream_t stream) {
  LAUNCH(with_barrier ? reverse_kernel<true> : reverse_kernel<false>, 1, kSixtyFour, 0, in, out);
}
void reverse_warps(const int* in, int* out, bool with_barrier, cudaStream_t stream) {
  LAUNCH(with_barrier ? reverse_warps_kernel<true> : reverse_warps_kernel<false>, 1, kSixtyFour, 0,
         in, out);
}
void exchange_in_halves(int* out, bool with_barrier, cudaStream_t stream) {
  LAUNCH(with_barrier ? exchange_kernel<true> : exchange_kernel<false>, 1, 32, 0, out);
}
void read_together_then_write(int* x, int* out, bool with_barrier, cudaStream_t stream) {
  LAUNCH(with_barrier ? read_together_kernel<true> : read_together_kernel<false>, 1, 32, 0, x, out);
}
void read_shared(int* out, bool written, cudaStream_t stream) {
  LAUNCH(read_shared_kernel, 1, 32, 0, out, written);
}
void step_past_shared(int* out, cudaStream_t stream) { LAUNCH(step_past_kernel, 1, 32, 0, out); }
void barrier_for_some(cudaStream_t stream) { LAUNCH(barrier_for_some_kernel, 1, 64, 0); }
void collective_for_some(cudaStream_t stream) { LAUNCH(collective_for_some_kernel, 1, 32, 0); }
void strange_mask(cudaStream_t stream) { LAUNCH(strange_mask_kernel, 1, 32, 0); }
void bounded(dim3 grid, dim3 block, cudaStream_t stream) {
  LAUNCH(bounded_kernel_body, grid, block, 0);
}
const void* bounded_kernel() { return reinterpret_cast<const void*>(bounded_kernel_body); }
void use_dynamic(int* out, size_t bytes, bool opt_in, cudaStream_t stream) {
  if (opt_in)
    cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(bytes));
  LAUNCH(dynamic_kernel, 1, 1, bytes, out);
}
void use_static(int* out, size_t dynamic_bytes, cudaStream_t stream) {
  LAUNCH(static_kernel, 1, 1, dynamic_bytes, out);
}

void sort(const uint32_t* keys, uint32_t* keys_out, const int* values, int* values_out, int n,
          size_t missing, int* read_scratch, cudaStream_t stream) {
  const auto call = [&](void* scratch, size_t& bytes) {
    cub::DeviceRadixSort::SortPairs(scratch, bytes, keys, keys_out, values, values_out, n, 0, 32,
                                    stream);
  };
  size_t bytes = 0;
  call(nullptr, bytes);
  void* scratch = nullptr;
  cudaMalloc(&scratch, bytes);
  bytes -= missing;
  call(scratch, bytes);
  if (read_scratch != nullptr) copy(static_cast<int*>(scratch), read_scratch, 1, 0, stream);
  cudaStreamSynchronize(stream);
  cudaFree(scratch);
}

}  // namespace faulty

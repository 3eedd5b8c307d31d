// Launches of small kernels, most of them faulty: each fault is one that the simulated device must
// see.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda_runtime.h"

namespace faulty {

// n threads in one block unless said otherwise.
void copy(const int* in, int* out, int n, int shift, cudaStream_t);  // out[i + shift] = in[i]
void add_one(int* x, int n, int blocks, cudaStream_t);               // x[i]: all blocks the same x
void count(int* x, int n, int blocks, cudaStream_t);                 // atomicAdd(x, 1)
void write_through_null(cudaStream_t);
void read_host_variable(int* out, cudaStream_t);
void read_constant_table(int* out, cudaStream_t);
void copy_vectors(const float* in, float* out, cudaStream_t);  // four floats at once

// out[i] = in[63 - i] through shared memory, 64 threads.
void reverse(const int* in, int* out, bool with_barrier, cudaStream_t);
// The same within each warp.
void reverse_warps(const int* in, int* out, bool with_barrier, cudaStream_t);
// Pairs of half warps exchange through shared memory, each half meeting alone.
void exchange_in_halves(int* out, bool with_barrier, cudaStream_t);
// Lanes read one word together, meet, and one of them writes it.
void read_together_then_write(int* x, int* out, bool with_barrier, cudaStream_t);
void read_shared(int* out, bool written, cudaStream_t);
void step_past_shared(int* out, cudaStream_t);
void barrier_for_some(cudaStream_t);
void collective_for_some(cudaStream_t);
void strange_mask(cudaStream_t);

void bounded(dim3 grid, dim3 block, cudaStream_t);  // __launch_bounds__(128)
void use_dynamic(int* out, size_t bytes, bool opt_in, cudaStream_t);
void use_static(int* out, size_t dynamic_bytes, cudaStream_t);  // 40 KB of static shared memory
const void* bounded_kernel();

// Sorts n pairs, offering `missing` bytes of scratch less than were asked for; then, where
// `read_scratch` is given, copies its first word from the scratch.
void sort(const uint32_t* keys, uint32_t* keys_out, const int* values, int* values_out, int n,
          size_t missing, int* read_scratch, cudaStream_t);

}  // namespace faulty

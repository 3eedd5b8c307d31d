// Runs launches: blocks one after the other in a drawn order, each on the fibers of simt::Block.
#pragma once

#include <cstdint>
#include <string>

#include "tests/simulator/include/cuda_runtime.h"

namespace simulator {

/// Every block of it. Throws Fault where one is found and faults stick.
void run_kernel(const Launch&, uint64_t seed);
/// A fault of the thread that runs: told with the kernel, block, thread and source line. Its block
/// ends there.
void kernel_fault(const std::string& what, const void* return_address);
/// "byte 128 of shared array 1 of 128 bytes": of the block that runs.
std::string describe_shared(size_t offset);
/// Where the stacks of threads are.
extern uintptr_t stacks_begin, stacks_end;
inline bool on_stacks(const void* p) {
  return reinterpret_cast<uintptr_t>(p) - stacks_begin < stacks_end - stacks_begin;
}

}  // namespace simulator

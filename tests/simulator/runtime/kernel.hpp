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
/// Whether the address lies on the stacks of threads.
bool on_stacks(uintptr_t);

}  // namespace simulator

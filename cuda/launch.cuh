// Every kernel is launched here, and the launch is checked and counted.
#pragma once

#include <atomic>

#include "cuda/check.cuh"

namespace mgqe::detail {

/// Kernels launched by this process and calls of libraries that launch some of their own.
inline std::atomic<int64_t> launches{0};
inline void count_launch() { launches.fetch_add(1, std::memory_order_relaxed); }

inline std::string describe(dim3 shape) {
  return concat("(", shape.x, ", ", shape.y, ", ", shape.z, ")");
}

inline void check_launch(const char* file, int line, const char* kernel, dim3 grid, dim3 block,
                         size_t shared_bytes) {
  count_launch();
  check_cuda(cudaGetLastError(), file, line, kernel, ": grid ", describe(grid), ", block ",
             describe(block), ", ", shared_bytes, " bytes of shared memory");
}

}  // namespace mgqe::detail

/// The launch syntax of nvcc. Who compiles launchers without nvcc (tests/simulator) defines its own
/// first.
#ifndef MGQE_START_KERNEL
#define MGQE_START_KERNEL(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#endif

/// MGQE_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): a checked launch.
#define MGQE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                          \
  do {                                                                                       \
    MGQE_START_KERNEL(kernel, grid, block, shared_bytes, stream __VA_OPT__(, ) __VA_ARGS__); \
    ::mgqe::detail::check_launch(__FILE__, __LINE__, #kernel, grid, block, shared_bytes);    \
  } while (0)

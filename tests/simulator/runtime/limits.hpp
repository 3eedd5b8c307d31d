// What a launch may ask for on a GPU of the simulated architecture, sm_80 or sm_90.
#pragma once

#include <cstddef>
#include <string>

#include "tests/simulator/include/cuda_runtime.h"

namespace simulator {

inline constexpr size_t kSharedDefault = 48 << 10;  // without cudaFuncSetAttribute
size_t shared_opt_in();                             // with it
inline constexpr int kThreadsPerMultiprocessor = 2048;

struct Refusal {
  cudaError_t error = cudaSuccess;
  std::string why;
};
/// Of a launch, as the call returns it.
Refusal refuse_launch(const Launch&);
/// cudaFuncSetAttribute.
Refusal set_dynamic_limit(const void* kernel, int bytes);
/// Static and dynamic shared memory of the kernel that runs: why it would not have been launched,
/// "" if it would.
std::string shared_refusal(size_t static_bytes, size_t dynamic_bytes);

}  // namespace simulator

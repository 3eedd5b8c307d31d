// A formula over the elements of several arrays in one launch.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/functors/functors.hpp"
#include "host/engine/functors/layer_functors.hpp"

namespace mgqe {

inline constexpr int kEachThreads = 256;
inline constexpr int kEachElements = 4 * kEachThreads;  // of a block
inline constexpr int kMostArrays = 32;  // of a launch, whose arguments fill 4 KiB at most

/// Blocks [first[a], first[a + 1]) of the grid are those of array a.
template <class Array>
struct ArrayBlocks {
  Array arrays[kMostArrays];
  int32_t first[kMostArrays + 1];
};

struct AdamOfArray {
  AdamOptions options;
  View<const StepState> state;
  MGQE_HD int64_t size(const DenseArray& array) const { return array.parameter.size(); }
  MGQE_HD void operator()(const DenseArray& array, int64_t i) const {
    Adam{array.parameter, array.gradient, array.moments, options, state}(i);
  }
};

struct SgdOfArray {
  float learning_rate, l2;
  View<const StepState> state;
  MGQE_HD int64_t size(const DenseArray& array) const { return array.parameter.size(); }
  MGQE_HD void operator()(const DenseArray& array, int64_t i) const {
    Sgd{array.parameter, array.gradient, learning_rate, l2, state}(i);
  }
};

struct AddBiasOfArray {
  MGQE_HD int64_t size(const BiasedRows& array) const { return array.x.size(); }
  MGQE_HD void operator()(const BiasedRows& array, int64_t i) const {
    array.x[i] += array.bias[i % array.x.cols];
  }
};

/// Block: kEachElements elements of one array.
template <class Array, class Formula>
__global__ void __launch_bounds__(kEachThreads)
    each_array_kernel(const __grid_constant__ ArrayBlocks<Array> blocks, const Formula formula) {
  const auto block = static_cast<int32_t>(blockIdx.x);
  int a = 0;
  while (block >= blocks.first[a + 1]) ++a;
  const Array array = blocks.arrays[a];
  const int64_t n = formula.size(array);
  const int64_t begin = static_cast<int64_t>(block - blocks.first[a]) * kEachElements;
  for (int64_t i = begin + threadIdx.x; i < n && i < begin + kEachElements; i += kEachThreads)
    formula(array, i);
}

}  // namespace mgqe

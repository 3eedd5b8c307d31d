// Formulas over several arrays in one launch: the optimizer's step of all dense weights of a model,
// the biases of layers side by side.
//
// A backbone has some thirty weight arrays of 64 to 13,000 floats, whose step by an op each is as
// many launches of less than a microsecond of work. Here the arrays are cut into blocks of 1024
// elements, and a launch takes up to 32 arrays: their pointers are its arguments, so that a
// captured step needs no table of them in device memory. Bytes and flops are the formulas': Adam
// 28 B and about 15 flops an element. Any sizes, any number of arrays.
//
// Weighed and left: weights of all layers in one array (a step would then be one op of it, but
// files, checkpoints and layers name them apart); a grid of arrays x blocks of the largest (most of
// its blocks have nothing to do).
#include <algorithm>
#include <span>

#include "cuda/cuda_backend.cuh"
#include "cuda/each_array_kernel.cuh"

namespace mgqe {
namespace {

template <class Array, class Formula>
void launch_some(std::span<const Array> arrays, const Formula& formula, cudaStream_t stream) {
  ArrayBlocks<Array> blocks{};
  int32_t count = 0;
  for (size_t a = 0; a < arrays.size(); ++a) {
    blocks.arrays[a] = arrays[a];
    blocks.first[a] = count;
    count += static_cast<int32_t>((formula.size(arrays[a]) + kEachElements - 1) / kEachElements);
  }
  for (size_t a = arrays.size(); a <= kMostArrays; ++a) blocks.first[a] = count;
  if (count == 0) return;
  const auto kernel = each_array_kernel<Array, Formula>;
  MGQE_LAUNCH(kernel, static_cast<unsigned>(count), kEachThreads, 0, stream, blocks, formula);
}

template <class Array, class Formula>
void launch_each(std::span<const Array> arrays, const Formula& formula, cudaStream_t stream) {
  for (size_t first = 0; first < arrays.size(); first += kMostArrays)
    launch_some(arrays.subspan(first, std::min<size_t>(kMostArrays, arrays.size() - first)),
                formula, stream);
}

}  // namespace

void CudaBackend::adam_each(std::span<const DenseArray> arrays, AdamOptions options,
                            View<const StepState> state) {
  launch_each(arrays, AdamOfArray{options, state}, stream());
}

void CudaBackend::sgd_each(std::span<const DenseArray> arrays, double learning_rate, double l2,
                           View<const StepState> state) {
  launch_each(arrays, SgdOfArray{static_cast<float>(learning_rate), static_cast<float>(l2), state},
              stream());
}

void CudaBackend::add_bias_each(std::span<const BiasedRows> all) {
  launch_each(all, AddBiasOfArray{}, stream());
}

}  // namespace mgqe

// A formula over several arrays in one launch has the bits of a launch an array.
#include "host/engine/functors/elementwise.hpp"
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/each_array_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kSizes[] = {1, 0, 64, 1023, 1024, 1025, 3000, 7};

/// Blocks of arrays of those sizes, laid out as the launcher does; returns how many there are.
template <class Array>
unsigned lay_out(ArrayBlocks<Array>& blocks, const std::vector<int64_t>& sizes) {
  int32_t count = 0;
  for (size_t a = 0; a <= kMostArrays; ++a) {
    blocks.first[a] = count;
    if (a < sizes.size())
      count += static_cast<int32_t>((sizes[a] + kEachElements - 1) / kEachElements);
  }
  return static_cast<unsigned>(count);
}

TEST(EachArrayKernel, StepsEveryArrayAsAdamDoes) {
  const std::vector<int64_t> sizes(std::begin(kSizes), std::end(kSizes));
  StepState step{};
  step.adam_scale = 1.25f;
  step.adam_root_bias2 = 0.5f;
  const Buffer<StepState> state(std::vector<StepState>{step});
  const AdamOptions options{0.05, 0.9, 0.99, 1e-8, 0.01};
  for (const uint64_t seed : kScheduleSeeds) {
    ArrayBlocks<DenseArray> blocks{};
    std::vector<Buffer<float>> parameters, gradients, firsts, seconds, expected;
    testing::Random random(3);
    for (size_t a = 0; a < sizes.size(); ++a) {
      const auto values = [&] { return Buffer<float>(random.normals(sizes[a])); };
      parameters.push_back(values());
      gradients.push_back(values());
      firsts.push_back(values());
      seconds.emplace_back(std::vector<float>(static_cast<size_t>(sizes[a]), 0.5f));
      expected.emplace_back(parameters[a].values());
      const Buffer<float> first(firsts[a].values()), second(seconds[a].values());
      for (int64_t i = 0; i < sizes[a]; ++i)
        Adam{expected[a], gradients[a], {first, second}, options, state}(i);
      blocks.arrays[a] = {parameters[a], gradients[a], {firsts[a], seconds[a]}};
    }
    simt::launch(lay_out(blocks, sizes), kEachThreads, 0, seed,
                 each_array_kernel<DenseArray, AdamOfArray>, blocks,
                 AdamOfArray{options, state.view()});
    for (size_t a = 0; a < sizes.size(); ++a)
      expect_same_bits(parameters[a].values(), expected[a].values());
  }
}

TEST(EachArrayKernel, AddsABiasToTheRowsOfEveryArray) {
  constexpr int64_t kRows = 40, kCols = 33;
  for (const uint64_t seed : kScheduleSeeds) {
    ArrayBlocks<BiasedRows> blocks{};
    testing::Random random(5);
    std::vector<Buffer<float>> rows, biases, before;
    for (size_t a = 0; a < 3; ++a) {
      rows.emplace_back(random.normals(kRows * kCols), kCols);
      biases.emplace_back(random.normals(kCols));
      before.emplace_back(rows[a].values(), kCols);
      blocks.arrays[a] = {biases[a], rows[a]};
    }
    simt::launch(lay_out(blocks, {kRows * kCols, kRows * kCols, kRows * kCols}), kEachThreads, 0,
                 seed, each_array_kernel<BiasedRows, AddBiasOfArray>, blocks, AddBiasOfArray{});
    for (size_t a = 0; a < 3; ++a)
      for (int64_t r = 0; r < kRows; ++r)
        for (int64_t c = 0; c < kCols; ++c)
          ASSERT_EQ(rows[a].row(r)[c], before[a].row(r)[c] + biases[a][c]) << a;
  }
}

}  // namespace
}  // namespace mgqe

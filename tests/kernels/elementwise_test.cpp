// The grid-stride loop calls a functor once for every index, whatever the grid.
#include "host/engine/functors/elementwise.hpp"

#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/elementwise_kernel.cuh"

namespace mgqe {
namespace {

struct Count {
  View<int32_t> calls;
  void operator()(int64_t i) const { calls[i] += 1; }
};

TEST(ElementwiseKernel, CallsEachIndexOnce) {
  for (const uint64_t seed : kScheduleSeeds)
    for (const int64_t n : {0, 1, 255, 256, 257, 1500})
      for (const unsigned grid : {1u, 2u, 7u}) {
        const Buffer<int32_t> calls(std::vector<int32_t>(n, 0));
        simt::launch(grid, kElementThreads, 0, seed, for_each_kernel<Count>, n, Count{calls});
        EXPECT_EQ(calls.values(), std::vector<int32_t>(n, 1)) << n << " elements, grid " << grid;
      }
}

TEST(ElementwiseKernel, RunsAFunctorOfTheLibrary) {
  const int64_t rows = 37, cols = 9;
  testing::Random random(5);
  const Buffer<float> x(random.integers<float>(rows * cols, -50, 50), cols);
  const Buffer<float> weights(random.integers<float>(cols, -5, 5));
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<float> out(rows, cols);
    using Cells = SplitIndex<ScaleColumns>;
    simt::launch(2, kElementThreads, 0, seed, for_each_kernel<Cells>, out.size(),
                 Cells{{x, weights, out}, cols});
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c)
        ASSERT_EQ(out.row(r)[c], x[r * cols + c] * weights[c]) << r << ", " << c;
  }
}

}  // namespace
}  // namespace mgqe

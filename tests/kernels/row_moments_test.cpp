// Moments of a batch's rows against the same sums in one thread.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/row_moments_kernel.cuh"

namespace mgqe {
namespace {

TEST(RowMomentsKernel, AddsEveryLookUp) {
  constexpr int64_t kRows = 50, kSubspaces = 3;
  for (const int64_t width : {1, 4, 33})
    for (const int lookups : {1, 31, 32, 33, 150}) {
      const int64_t dim = width * kSubspaces;
      testing::Random random(static_cast<uint64_t>(lookups));
      // Whole numbers: every sum is exact, in any order.
      const Buffer<float> queries(random.integers<float>(kRows * dim, -3, 3), dim);
      const DistinctIds ids(random.integers<int32_t>(lookups, 0, kRows - 1));
      const Buffer<double> expected(dim, width + 2);
      const RowMoments one{queries, ids.view(), expected};
      for (int64_t i = 0; i < expected.size(); ++i) one(i);
      EXPECT_EQ(expected[0], lookups);
      for (const uint64_t seed : kScheduleSeeds) {
        const Buffer<double> sums(dim, width + 2);
        simt::launch(2, kRowMomentThreads, 0, seed, row_moments_kernel,
                     RowMoments{queries, ids.view(), sums});
        EXPECT_EQ(sums.values(), expected.values()) << "w " << width << ", B " << lookups;
      }
    }
}

}  // namespace
}  // namespace mgqe

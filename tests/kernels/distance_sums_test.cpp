// Moments of distances against the same sums in one thread.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/distance_sums_kernel.cuh"

namespace mgqe {
namespace {

TEST(DistanceSumsKernel, AddsEveryRowOfItsTier) {
  constexpr int64_t kRows = 50, kSubspaces = 3;
  for (const int64_t width : {1, 4})
    for (const int centroids : {1, 6})
      for (const int lookups : {1, 31, 32, 33, 150}) {
        const int64_t dim = width * kSubspaces;
        testing::Random random(static_cast<uint64_t>(lookups));
        // Whole numbers: every sum is exact, in any order.
        const Buffer<float> queries(random.integers<float>(kRows * dim, -3, 3), dim);
        const Buffer<float> codebook(random.integers<float>(centroids * dim, -3, 3), dim);
        Tiers tiers;
        tiers.count = 3;
        const int ends[] = {10, 20, kRows}, limits[] = {centroids, 0, (centroids + 1) / 2};
        for (int i = 0; i < 3; ++i) {
          tiers.end[i] = ends[i];
          tiers.centroids[i] = limits[i];
        }
        const DistinctIds ids(random.integers<int32_t>(lookups, 0, kRows - 1));
        const Buffer<double> expected(centroids * kSubspaces, 3);
        const PartialDistanceMoments one{queries, ids.view(), tiers, codebook, expected};
        for (int64_t i = 0; i < expected.rows(); ++i) one(i);
        for (const uint64_t seed : kScheduleSeeds) {
          const Buffer<double> partials(centroids * kSubspaces, 3);
          simt::launch(2, kDistanceThreads, 0, seed, distance_sums_kernel,
                       PartialDistanceMoments{queries, ids.view(), tiers, codebook, partials});
          EXPECT_EQ(partials.values(), expected.values())
              << "w " << width << ", K " << centroids << ", B " << lookups;
        }
      }
}

}  // namespace
}  // namespace mgqe

// The kernels that measure a GPU's ceilings do all the work they are credited with.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/ceiling_kernel.cuh"

namespace mgqe {
namespace {

TEST(FmaChainsKernel, EveryChainRunsAllItsSteps) {
  for (const int64_t steps : {0, 1, 10, 16, 37})
    for (const uint64_t seed : kScheduleSeeds) {
      // With factor 1 and addend 1 a chain counts its steps.
      const Buffer<float> counted(2), halved(2);
      simt::launch(2, kChainThreads, 0, seed, fma_chains_kernel, steps, 1.0f, 1.0f, counted.data());
      const float chains = kChainThreads * kChainsPerThread;
      EXPECT_EQ(counted.values(), std::vector<float>(2, chains * static_cast<float>(steps)));
      if (steps > 10) continue;  // longer chains of halves do not sum exactly
      simt::launch(2, kChainThreads, 0, seed, fma_chains_kernel, steps, 0.5f, 1.0f, halved.data());
      const float end = 2.0f - std::ldexp(1.0f, static_cast<int>(1 - steps));
      EXPECT_EQ(halved.values(), std::vector<float>(2, chains * end)) << steps << " steps";
    }
}

TEST(StreamKernels, TouchEveryElementOnce) {
  testing::Random random(1);
  for (const int64_t n : {1, 3, 4, 5, 1023, 1024, 2051})
    for (const unsigned grid : {1u, 3u})
      for (const uint64_t seed : kScheduleSeeds) {
        const Buffer<float> x(random.normals(n)), out(n);
        simt::launch(grid, kStreamThreads, 0, seed, copy_kernel, n, x.data(), out.data());
        EXPECT_EQ(out.values(), x.values()) << n << " floats, grid " << grid;
        simt::launch(grid, kStreamThreads, 0, seed, fill_kernel, n, 2.5f, out.data());
        EXPECT_EQ(out.values(), std::vector<float>(n, 2.5f)) << n << " floats, grid " << grid;
      }
}

}  // namespace
}  // namespace mgqe

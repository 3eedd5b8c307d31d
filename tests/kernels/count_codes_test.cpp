// Code counts against a naive loop: exact, on every schedule and grid.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/count_codes_kernel.cuh"

namespace mgqe {
namespace {

TEST(CountCodesKernel, MatchesANaiveCount) {
  for (const int64_t rows : {1, 300, 1000})
    for (const int64_t subspaces : {1, 8})
      for (const int centroids : {1, 5, 256}) {
        const Buffer<uint8_t> codes(
            testing::Random(rows).integers<uint8_t>(rows * subspaces, 0, 255), subspaces);
        // What is there stays: a tier is counted chunk by chunk.
        std::vector<int32_t> expected(static_cast<size_t>(subspaces * centroids), 3);
        const std::vector<int32_t> before = expected;
        for (int64_t i = 0; i < codes.view().size(); ++i)
          if (const int code = codes.view()[i]; code < centroids)
            ++expected[i % subspaces * centroids + code];
        for (const uint64_t seed : kScheduleSeeds)
          for (const unsigned slices : {1u, 3u}) {
            const Buffer<int32_t> counts(before, centroids);
            simt::launch(dim3(slices, static_cast<unsigned>(subspaces)), kCountThreads, 0, seed,
                         count_codes_kernel, codes.view(), counts.view());
            expect_same_bits(counts.values(), expected);
          }
      }
}

}  // namespace
}  // namespace mgqe

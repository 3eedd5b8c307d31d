// deduplicate's own kernels, with the standard library in the place of CUB's sort and scan.
#include <algorithm>
#include <numeric>

#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/deduplicate_kernel.cuh"

namespace mgqe {
namespace {

struct Result {
  Buffer<int32_t> ids, offsets, order, inverse, count;
  explicit Result(int64_t n) : ids(n), offsets(n + 1), order(n), inverse(n), count(1) {}
  UniqueIds view() const {
    return {ids.view(), offsets.view(), order.view(), inverse.view(), count.view()};
  }
};

Result deduplicate(const std::vector<int32_t>& ids, unsigned grid, uint64_t seed) {
  const int64_t n = static_cast<int64_t>(ids.size());
  const Buffer<int32_t> positions(n), first(n), rank(n);
  const Buffer<uint32_t> sorted(n);
  Result result(n);
  simt::launch(grid, kDeduplicateThreads, 0, seed, number_kernel, n, positions.data());
  std::copy_n(positions.data(), n, result.order.data());
  std::stable_sort(result.order.data(), result.order.data() + n,
                   [&](int32_t a, int32_t b) { return ids[a] < ids[b]; });
  for (int64_t p = 0; p < n; ++p) sorted[p] = static_cast<uint32_t>(ids[result.order[p]]);
  simt::launch(grid, kDeduplicateThreads, 0, seed, mark_first_kernel, n, sorted.data(),
               first.data());
  std::inclusive_scan(first.data(), first.data() + n, rank.data());
  simt::launch(grid, kDeduplicateThreads, 0, seed, scatter_unique_kernel, n, sorted.data(),
               rank.data(), result.view());
  return result;
}

void expect_deduplicated(const std::vector<int32_t>& ids) {
  const DistinctIds expected(ids);
  const size_t count = expected.lookups().size();
  for (const uint64_t seed : kScheduleSeeds)
    for (const unsigned grid : {1u, 3u}) {
      SCOPED_TRACE(::testing::Message() << ids.size() << " ids, grid " << grid);
      const Result actual = deduplicate(ids, grid, seed);
      const auto same = [](const Buffer<int32_t>& a, View<int32_t> b, size_t n) {
        expect_same_bits(std::vector<int32_t>(a.data(), a.data() + n),
                         std::vector<int32_t>(b.data, b.data + n));
      };
      ASSERT_EQ(actual.count[0], static_cast<int32_t>(count));
      same(actual.ids, expected.view().ids, count);
      same(actual.offsets, expected.view().offsets, count + 1);
      same(actual.order, expected.view().order, ids.size());
      same(actual.inverse, expected.view().inverse, ids.size());
    }
}

TEST(DeduplicateKernels, MatchAMap) {
  testing::Random random(1);
  for (const int64_t n : {0, 1, 2, 255, 256, 257, 1000}) {
    expect_deduplicated(random.integers<int32_t>(n, 0, 20));
    expect_deduplicated(random.integers<int32_t>(n, 0, 100000));
    expect_deduplicated(std::vector<int32_t>(n, 7));
    std::vector<int32_t> descending(n);
    std::iota(descending.rbegin(), descending.rend(), 0);
    expect_deduplicated(descending);
  }
}

}  // namespace
}  // namespace mgqe

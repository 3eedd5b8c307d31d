// Centroids are learnt well, nested by tier, and the same on any number of threads.
#include "host/convert/codebook.hpp"

#include "host/base/parallel.hpp"
#include "tests/support/convert_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int64_t kDim = 8;
constexpr int kSubspaces = 4;

View<const float> view(const std::vector<float>& rows, int64_t dim = kDim) {
  return {rows.data(), static_cast<int64_t>(rows.size()) / dim, dim};
}

class CodebookTest : public OnEveryBackend {
 protected:
  std::vector<float> learn(const std::vector<float>& rows, CodebookRange range,
                           std::vector<float> codebook = {}, uint64_t seed = 1) {
    codebook.resize(static_cast<size_t>(range.last * kDim));
    learn_centroids(backend(), view(rows), range, {kSubspaces, 25, seed}, codebook);
    return codebook;
  }
};
MGQE_ON_EVERY_BACKEND(CodebookTest);

TEST_P(CodebookTest, AsManyRowsAsCentroidsAreExact) {
  for (const int64_t rows : {1, 2, 31, 32}) {
    const std::vector<float> x = some_floats(rows * kDim, 5);
    EXPECT_EQ(error_of(x, learn(x, {0, 32}), kDim, kSubspaces, 32), 0.0) << rows;
  }
}

TEST_P(CodebookTest, RepeatedRowsAreExactAndSpareCentroidsAreTheFirst) {
  std::vector<float> x;
  const std::vector<float> distinct = some_floats(3 * kDim, 5);
  for (int repeat = 0; repeat < 50; ++repeat) x.insert(x.end(), distinct.begin(), distinct.end());
  const std::vector<float> codebook = learn(x, {0, 8});
  EXPECT_EQ(error_of(x, codebook, kDim, kSubspaces, 8), 0.0);
  EXPECT_EQ(error_of(x, codebook, kDim, kSubspaces, 3), 0.0);
  for (int64_t i = 3 * kDim; i < 8 * kDim; ++i)
    EXPECT_EQ(codebook[static_cast<size_t>(i)], codebook[static_cast<size_t>(i % kDim)]) << i;
}

TEST_P(CodebookTest, FindsClusters) {
  // 16 clusters a hundred times as far apart as they are wide: missing one would cost far more.
  std::vector<float> x;
  for (int64_t r = 0; r < 4000; ++r)
    for (int64_t c = 0; c < kDim; ++c) {
      const auto cluster =
          static_cast<float>(random_u64(9, static_cast<uint64_t>(r * 4 + c / 2)) % 16);
      x.push_back(cluster + 0.01f * random_normal(3, static_cast<uint64_t>(r * kDim + c)));
    }
  EXPECT_LT(error_of(x, learn(x, {0, 16}), kDim, kSubspaces, 16), 1e-5);
}

TEST_P(CodebookTest, WhatIsKnownStays) {
  const std::vector<float> x = clustered(3000, kDim, 60, 20);
  const std::vector<float> known = learn(x, {0, 16});
  const std::vector<float> all = learn(x, {16, 64}, known);
  EXPECT_TRUE(std::equal(known.begin(), known.end(), all.begin()));
  EXPECT_LT(error_of(x, all, kDim, kSubspaces, 64), 0.7 * error_of(x, known, kDim, kSubspaces, 16));
}

/// The head loses little against centroids of its own, the tail much by a prefix learnt for all.
TEST_P(CodebookTest, NestedBeatsAPrefix) {
  const std::vector<float> head = clustered(4000, kDim, 100, 20),
                           tail = clustered(6000, kDim, 100, 30);
  const std::vector<float> last = learn(tail, {0, 16});
  const std::vector<float> nested = learn(head, {16, 64}, last);
  const std::vector<float> own = learn(head, {0, 64});
  std::vector<float> everything = head;
  everything.insert(everything.end(), tail.begin(), tail.end());
  const std::vector<float> at_once = learn(everything, {0, 64});
  const auto error = [](const std::vector<float>& x, const std::vector<float>& codebook,
                        int limit) { return error_of(x, codebook, kDim, kSubspaces, limit); };
  EXPECT_LT(error(head, nested, 64), 1.15 * error(head, own, 64));
  EXPECT_GT(error(tail, at_once, 16), 1.05 * error(tail, nested, 16));
}

TEST_P(CodebookTest, ThreadsAndRunsDoNotMatter) {
  const std::vector<float> x = clustered(5000, kDim, 100, 20);
  const int threads = thread_count();
  set_thread_count(1);
  const std::vector<float> one = learn(x, {0, 64});
  set_thread_count(5);
  EXPECT_EQ(learn(x, {0, 64}), one);
  EXPECT_NE(learn(x, {0, 64}, {}, 2), one);
  set_thread_count(threads);
}

/// The sums are taken on the host: every device learns what the CPU learns.
TEST_P(CodebookTest, AsOnTheCpu) {
  const std::vector<float> x = clustered(5000, kDim, 100, 20);
  std::vector<float> codebook(static_cast<size_t>(64 * kDim));
  learn_centroids(*make_backend("cpu"), view(x), {0, 64}, {kSubspaces, 25, 1}, codebook);
  EXPECT_EQ(learn(x, {0, 64}), codebook);
}

/// Centroids that lose their rows on the way are put where rows are badly served.
TEST_P(CodebookTest, EveryCentroidHasRows) {
  constexpr int kCentroids = 48;
  int lost = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<float> x = some_floats(200 * kDim, 100 + seed);
    const std::vector<float> codebook = learn(x, {0, kCentroids}, {}, seed);
    for (int64_t c = 0; c < kDim; c += 2) {
      std::vector<bool> used(kCentroids);
      for (int64_t r = 0; r < 200; ++r) {
        int nearest = 0;
        double best = INFINITY;
        for (int k = 0; k < kCentroids; ++k) {
          const double distance = squared_distance(&x[r * kDim + c], &codebook[k * kDim + c], 2);
          if (distance < best) nearest = k;
          best = std::min(best, distance);
        }
        used[nearest] = true;
      }
      lost += static_cast<int>(std::count(used.begin(), used.end(), false));
    }
  }
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace mgqe::testing

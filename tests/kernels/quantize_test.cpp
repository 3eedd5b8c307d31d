// Assign: codes bit-exact against a naive loop over the canonical score, and equal to the argmin of
// squared distances in double where inputs are whole numbers.
#include <limits>

#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/config/assign_config.hpp"
#include "cuda/quantize_kernel.cuh"

namespace mgqe {
namespace {

struct Problem {
  int64_t table_rows, subspaces, width, centroids;
  Buffer<float> queries, codebook, half_norms;
  Tiers tiers;

  Problem(int64_t rows, int64_t subspaces, int64_t width, int64_t centroids, bool whole,
          std::vector<std::pair<int64_t, int>> tier_list, uint64_t seed)
      : table_rows(rows),
        subspaces(subspaces),
        width(width),
        centroids(centroids),
        queries(rows, subspaces * width),
        codebook(centroids, subspaces * width),
        half_norms(centroids, subspaces) {
    testing::Random random(seed);
    fill(queries, random, whole);
    fill(codebook, random, whole);
    for (int64_t k = 0; k < centroids; ++k)
      for (int64_t j = 0; j < subspaces; ++j) {
        float sum = 0.0f;
        for (int64_t q = 0; q < width; ++q)
          sum = std::fma(codebook.row(k)[j * width + q], codebook.row(k)[j * width + q], sum);
        half_norms.row(k)[j] = 0.5f * sum;
      }
    tiers.count = static_cast<int>(tier_list.size());
    for (int i = 0; i < tiers.count; ++i) std::tie(tiers.end[i], tiers.centroids[i]) = tier_list[i];
  }

  static void fill(const Buffer<float>& x, testing::Random& random, bool whole) {
    const std::vector<float> values =
        whole ? random.integers<float>(x.size(), -4, 4) : random.normals(x.size());
    std::copy(values.begin(), values.end(), x.data());
  }
  int limit(int64_t row) const {
    int tier = 0;
    while (row >= tiers.end[tier]) ++tier;
    return tiers.centroids[tier];
  }
  /// The canonical argmin, one std::fma at a time.
  int canonical_code(int64_t row, int64_t j) const {
    int best = 0;
    float best_score = std::numeric_limits<float>::infinity();
    for (int k = 0; k < limit(row); ++k) {
      float score = half_norms.row(k)[j];
      for (int64_t q = j * width; q < (j + 1) * width; ++q)
        score = std::fma(-queries.row(row)[q], codebook.row(k)[q], score);
      if (score < best_score) best = k, best_score = score;
    }
    return best;
  }
  int nearest_code(int64_t row, int64_t j) const {
    int best = 0;
    double best_distance = std::numeric_limits<double>::infinity();
    for (int k = 0; k < limit(row); ++k) {
      double distance = 0;
      for (int64_t q = j * width; q < (j + 1) * width; ++q)
        distance += std::pow(double{queries.row(row)[q]} - codebook.row(k)[q], 2);
      if (distance < best_distance) best = k, best_distance = distance;
    }
    return best;
  }
};

template <int kWidth, int kRows, int kThreads>
void launch_tiles(const AssignArguments& a, unsigned grid, uint64_t seed) {
  simt::launch(dim3(grid, static_cast<unsigned>(a.codes.cols)), kThreads,
               assign_shared_bytes<kWidth, 1>(a.codebook.rows, kThreads * kRows), seed,
               assign_kernel<kWidth, kRows, kThreads>, a);
}

template <int kWidth, int kRows>
void launch_slabs(const AssignArguments& a, unsigned grid, uint64_t seed) {
  constexpr int kSubspaces = slab_subspaces(kWidth);
  simt::launch(dim3(grid, blocks_of(a.codes.cols, kSubspaces)), assign_threads(kSubspaces),
               assign_shared_bytes<kWidth, kSubspaces>(a.codebook.rows, kWarpSize * kRows), seed,
               assign_slab_kernel<kWidth, kRows, kSubspaces>, a);
}

void launch_any(const AssignArguments& a, unsigned grid, uint64_t seed) {
  simt::launch(grid, kAssignThreads, 0, seed, assign_any_width_kernel, a);
}

using Launcher = void (*)(const AssignArguments&, unsigned, uint64_t);

/// Every kernel that takes the width.
std::vector<Launcher> launchers(int64_t width) {
  switch (width) {
    case 1:
      return {launch_tiles<1, 1, kFewThreads>, launch_slabs<1, 2>, launch_slabs<1, 8>, launch_any};
    case 2:
      return {launch_tiles<2, 1, kFewThreads>, launch_slabs<2, 2>, launch_slabs<2, 8>, launch_any};
    case 4:
      return {launch_tiles<4, 1, kFewThreads>, launch_slabs<4, 2>, launch_slabs<4, 8>, launch_any};
    case 8:
      return {launch_tiles<8, 1, kFewThreads>, launch_tiles<8, 2, 128>, launch_tiles<8, 8, 128>,
              launch_any};
    case 16:
      return {launch_tiles<16, 1, kFewThreads>, launch_tiles<16, 2, 128>, launch_tiles<16, 4, 128>,
              launch_any};
    default:
      return {launch_any};
  }
}

/// Runs every kernel on the set, in its table and gathered, and checks each code, each decoded row,
/// and that nothing past the count was written.
template <class Expected>
void expect_assigned(const Problem& problem, RowSet rows, const Expected& expected_code) {
  const int64_t D = problem.subspaces, w = problem.width;
  std::vector<uint8_t> expected_codes(rows.capacity * D, 0xFF);
  const Buffer<float> expected_rows(rows.capacity, D * w);
  for (int64_t i = 0; i < rows.size(); ++i)
    for (int64_t j = 0; j < D; ++j) {
      if (problem.limit(rows[i]) == 0) continue;  // left as it was
      const int code = expected_code(rows[i], j);
      expected_codes[i * D + j] = static_cast<uint8_t>(code);
      for (int64_t q = j * w; q < (j + 1) * w; ++q)
        expected_rows.row(i)[q] = problem.codebook.row(code)[q];
    }
  const Buffer<float> gathered(rows.size(), D * w);
  for (int64_t i = 0; i < rows.size(); ++i)
    std::copy_n(problem.queries.row(rows[i]), D * w, gathered.row(i));
  uint64_t seed = 0;
  for (const Launcher launch : launchers(w))
    for (const unsigned grid : {1u, 3u})
      for (const bool is_gathered : {false, true}) {
        SCOPED_TRACE(::testing::Message() << rows.capacity << " rows, D " << D << ", w " << w
                                          << ", K " << problem.centroids << ", grid " << grid
                                          << (is_gathered ? ", gathered" : ""));
        RowSet set = rows;
        set.gathered = is_gathered;
        const Buffer<uint8_t> codes(rows.capacity, D);
        const Buffer<float> decoded(rows.capacity, D * w);
        launch({is_gathered ? gathered.view() : problem.queries.view(), set, problem.codebook,
                problem.half_norms, problem.tiers, codes, decoded},
               grid, ++seed);
        expect_same_bits(codes.values(), expected_codes);
        expect_same_bits(decoded.values(), expected_rows.values());
      }
}

TEST(AssignKernel, CodesHaveTheCanonicalBits) {
  for (const int64_t width : {1, 2, 3, 4, 8, 16, 64})
    for (const int64_t centroids : {1, 2, 15, 16, 17, 255, 256}) {
      const Problem problem(260, 3, width, centroids, false, {{260, static_cast<int>(centroids)}},
                            100 + width);
      const auto canonical = [&](int64_t r, int64_t j) { return problem.canonical_code(r, j); };
      expect_assigned(problem, RowSet::range(17, 129), canonical);
      if (centroids % 16 == 1) expect_assigned(problem, RowSet::range(0, 260), canonical);
    }
}

TEST(AssignKernel, PicksTheNearestAndTheLowestIndexOnTies) {
  for (const int64_t width : {1, 2, 3, 4, 8, 16}) {  // whole numbers: many exact ties at small w
    const Problem problem(150, 2, width, 256, true, {{150, 256}}, 200 + width);
    expect_assigned(problem, RowSet::range(0, 150),
                    [&](int64_t r, int64_t j) { return problem.nearest_code(r, j); });
  }
}

// Two copies of every centroid, of which the first must win wherever the chunks put them.
TEST(AssignKernel, TheFirstOfTwoEqualCentroidsWins) {
  for (const int64_t width : {1, 2, 4, 8, 16})
    for (const int64_t distance : {1, 8, 40}) {
      const Problem problem(70, 9, width, 100, false, {{70, 100}}, 250 + width);
      for (int64_t k = 0; k < 100; ++k)
        if (k / distance % 2 == 1) {
          std::copy_n(problem.codebook.row(k - distance), 9 * width, problem.codebook.row(k));
          std::copy_n(problem.half_norms.row(k - distance), 9, problem.half_norms.row(k));
        }
      expect_assigned(problem, RowSet::range(0, 70), [&](int64_t r, int64_t j) {
        const int code = problem.canonical_code(r, j);
        EXPECT_EQ(code / distance % 2, 0);
        return code;
      });
    }
}

TEST(AssignKernel, SearchesOnlyTheCentroidsOfTheTier) {
  for (const int64_t width : {2, 4, 5}) {
    const Problem problem(700, 2, width, 256, false, {{60, 256}, {300, 64}, {699, 9}, {700, 1}},
                          300 + width);
    const auto canonical = [&](int64_t r, int64_t j) { return problem.canonical_code(r, j); };
    expect_assigned(problem, RowSet::range(0, 700), canonical);
    for (int64_t j = 0; j < 2; ++j) EXPECT_EQ(canonical(699, j), 0);
  }
}

// Tiers of a few rows, so that most threads hold rows of several, with limits inside chunks, at
// their ends and beyond what another tier of the thread may use.
TEST(AssignKernel, RowsOfSeveralTiersInAThread) {
  for (const int64_t width : {1, 2, 4, 8, 16})
    for (const int64_t subspaces : {1, 9}) {
      const Problem problem(
          430, subspaces, width, 70, false,
          {{33, 70}, {65, 69}, {100, 64}, {140, 33}, {141, 32}, {200, 17}, {300, 7}, {430, 1}},
          370 + width);
      expect_assigned(problem, RowSet::range(0, 430),
                      [&](int64_t r, int64_t j) { return problem.canonical_code(r, j); });
    }
}

TEST(AssignKernel, LeavesRowsOfTiersWithoutCentroidsAlone) {
  for (const int64_t width : {1, 2, 4, 5, 8, 16}) {
    const Problem problem(700, 2, width, 64, false, {{60, 0}, {300, 64}, {690, 0}, {700, 3}},
                          350 + width);
    const auto canonical = [&](int64_t r, int64_t j) { return problem.canonical_code(r, j); };
    expect_assigned(problem, RowSet::range(0, 700), canonical);
    testing::Random random(8);
    const DistinctIds unique(random.integers<int32_t>(400, 0, 699));
    expect_assigned(problem, RowSet::of(unique.view()), canonical);
  }
}

TEST(AssignKernel, TakesDistinctIdsUpToTheCountInDeviceMemory) {
  testing::Random random(4);
  for (const int64_t lookups : {1, 100, 600}) {
    const Problem problem(500, 4, 2, 64, false, {{50, 64}, {500, 16}}, 400 + lookups);
    const DistinctIds unique(random.integers<int32_t>(lookups, 0, 499));
    expect_assigned(problem, RowSet::of(unique.view()),
                    [&](int64_t r, int64_t j) { return problem.canonical_code(r, j); });
  }
}

TEST(AssignKernel, DoesNothingForAnEmptySet) {
  const Problem problem(10, 2, 4, 8, false, {{10, 8}}, 5);
  const Buffer<int32_t> ids(4), count(std::vector<int32_t>{0});
  expect_assigned(problem, RowSet{ids.data(), count.data(), 0, 4},
                  [](int64_t, int64_t) { return 0; });
}

TEST(AssignKernel, GivesTheFirstCentroidToARowThatDoesNotCompare) {
  const Problem problem(5, 2, 4, 8, false, {{5, 8}}, 6);
  problem.queries.row(3)[1] = NAN;
  expect_assigned(problem, RowSet::range(0, 5), [&](int64_t r, int64_t j) {
    return r == 3 && j == 0 ? 0 : problem.canonical_code(r, j);
  });
}

// Scores that are infinite or do not compare never win, and the filling of the last chunk cannot
// either; minus infinity can.
TEST(AssignKernel, InfiniteScoresLoseAndMinusInfinityWins) {
  for (const int64_t width : {1, 2, 4, 8, 16}) {
    const Problem problem(4, 2, width, 9, false, {{4, 9}}, 60 + width);
    problem.queries.row(1)[0] = INFINITY;  // scores of subspace 0: by the signs of the components
    problem.queries.row(2)[0] = -INFINITY;
    problem.codebook.row(0)[width] =
        NAN;  // subspace 1: the first does not compare, the others lose
    for (int64_t k = 0; k < 9; ++k) problem.half_norms.row(k)[1] = INFINITY;
    expect_assigned(problem, RowSet::range(0, 4), [&](int64_t r, int64_t j) {
      const int code = problem.canonical_code(r, j);
      EXPECT_TRUE(j == 0 || code == 0);
      return code;
    });
  }
}

TEST(ChooseAssign, SpreadsSmallBatchesAndFillsTiles) {
  constexpr int64_t kProcessors = 132;
  for (const int width : {1, 2, 4, 8, 16})
    for (const int64_t rows : {1, 33, 256, 3000, 60'000, 1'000'000}) {
      const AssignConfig config = choose_assign(rows, 64 / width, width, kProcessors);
      SCOPED_TRACE(describe(config));
      EXPECT_GE(config.tiles, 1);
      EXPECT_GE(config.slabs * config.subspaces, 64 / width);
      EXPECT_LE(config.tiles * config.slabs, 4 * 32 * kProcessors);
      EXPECT_TRUE(rows < 1'000'000 || config.rows == most_rows(width));
    }
  EXPECT_EQ(choose_assign(256, 32, 2, kProcessors), (AssignConfig{1, 1, 64, 4, 32}));
  EXPECT_EQ(choose_assign(3000, 32, 2, kProcessors), (AssignConfig{2, 8, 256, 47, 4}));
  EXPECT_EQ(choose_assign(65536, 8, 8, kProcessors), (AssignConfig{8, 1, 128, 64, 8}));
}

TEST(SquaredErrorKernel, MatchesDoubles) {
  testing::Random random(7);
  for (const int64_t d : {1, 31, 32, 33, 64, 100}) {
    const Buffer<float> queries(random.normals(50 * d), d), decoded(random.normals(41 * d), d);
    Tiers tiers;
    tiers.count = 2;
    tiers.end[0] = 12;  // rows 9, 10 and 11 are skipped
    tiers.end[1] = 50;
    tiers.centroids[1] = 1;
    for (const uint64_t seed : kScheduleSeeds) {
      const Buffer<float> error(41);
      simt::launch(3, kAssignThreads, 0, seed, squared_error_kernel, queries.view(),
                   RowSet::range(9, 41), tiers, decoded.view(), error.view());
      for (int64_t i = 0; i < 41; ++i) {
        if (9 + i < 12) {
          ASSERT_TRUE(std::isnan(error[i])) << "skipped row " << i;
          continue;
        }
        double sum = 0;
        for (int64_t q = 0; q < d; ++q)
          sum += std::pow(double{queries.row(9 + i)[q]} - decoded.row(i)[q], 2);
        ASSERT_NEAR(error[i], sum, rounding_bound(d, sum)) << "d " << d << ", row " << i;
      }
    }
  }
}

}  // namespace
}  // namespace mgqe

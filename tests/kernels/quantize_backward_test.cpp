// Codebook gradient, chunk by chunk and then summed, against a loop over look-ups in double.
#include <utility>

#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/quantize_backward_kernel.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMostChunks = 10;  // so few that some of the shapes below get longer chunks

struct Shape {
  int64_t lookups, subspaces, width, centroids, per_chunk;
};

struct Problem {
  Shape shape;
  DistinctIds unique;
  Buffer<float> queries, codebook;
  Buffer<uint8_t> codes;
  Tiers tiers;

  static constexpr int64_t kRows = 90;
  Problem(const Shape& shape, bool whole, uint64_t seed)
      : shape(shape),
        unique(testing::Random(seed).integers<int32_t>(shape.lookups, 0, kRows - 1)),
        queries(numbers(whole, kRows * d(), seed + 1), d()),
        codebook(numbers(whole, shape.centroids * d(), seed + 2), d()),
        codes(testing::Random(seed + 3).integers<uint8_t>(shape.lookups * shape.subspaces, 0,
                                                          static_cast<int>(shape.centroids) - 1),
              shape.subspaces) {
    // Past the count nothing may be read: a code there would point outside the codebook.
    const auto count = static_cast<int64_t>(unique.lookups().size());
    std::fill(codes.row(count), codes.data() + codes.size(), uint8_t{255});
    tiers.end[0] = kRows;
    tiers.centroids[0] = static_cast<int>(shape.centroids);
  }
  /// Rows [0, first) get no centroids; their codes stand at 0.
  void skip_rows_before(int32_t first) {
    tiers.count = 2;
    tiers.end[0] = first;
    tiers.end[1] = kRows;
    tiers.centroids[1] = std::exchange(tiers.centroids[0], 0);
    int64_t u = 0;
    for (const auto& [id, lookups] : unique.lookups()) {
      if (id < first) std::fill_n(codes.row(u), shape.subspaces, uint8_t{0});
      ++u;
    }
  }
  int64_t d() const { return shape.subspaces * shape.width; }
  static std::vector<float> numbers(bool whole, int64_t n, uint64_t seed) {
    testing::Random random(seed);
    return whole ? random.integers<float>(n, -30, 30) : random.normals(n);
  }
  int64_t chunks() const {
    return std::min(kMostChunks, (shape.lookups + shape.per_chunk - 1) / shape.per_chunk);
  }
};

std::vector<float> gradient_of(const Problem& problem, float scale, uint64_t seed) {
  const int64_t d = problem.d(), K = problem.shape.centroids;
  const Buffer<float> partials(problem.chunks() * K, d), gradient(K, d);
  const ChunkCount live{problem.chunks(), problem.unique.view().count.data, problem.shape.per_chunk,
                        kMostChunks};
  if (problem.chunks() > 0)
    simt::launch(dim3(static_cast<unsigned>(problem.chunks()), blocks_of(d, kSlabColumns)),
                 kSlabColumns, codebook_gradient_shared_bytes(K), seed, codebook_gradient_kernel,
                 problem.queries.view(), problem.unique.view(), problem.tiers, problem.codes.view(),
                 problem.codebook.view(), scale, live, partials.data());
  simt::launch(3, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(), live,
               SumTargets{{gradient.data()}, gradient.size()});
  return gradient.values();
}

/// The gradient in double, look-up by look-up, and the magnitude of its terms.
void expect_gradient(const Problem& problem, float scale, bool exact) {
  const int64_t d = problem.d(), w = problem.shape.width;
  std::vector<double> expected(problem.shape.centroids * d, 0.0), magnitude = expected;
  int64_t u = 0;
  for (const auto& [id, lookups] : problem.unique.lookups()) {
    const bool skipped = problem.tiers.count == 2 && id < problem.tiers.end[0];
    for (size_t l = 0; l < lookups.size() && !skipped; ++l)
      for (int64_t c = 0; c < d; ++c) {
        const int k = problem.codes.row(u)[c / w];
        const double term =
            scale * (double{problem.codebook.row(k)[c]} - problem.queries.row(id)[c]);
        expected[k * d + c] += term;
        magnitude[k * d + c] += std::abs(term);
      }
    ++u;
  }
  std::vector<float> first_run;
  for (const uint64_t seed : kScheduleSeeds) {
    const std::vector<float> actual = gradient_of(problem, scale, seed);
    for (size_t i = 0; i < actual.size(); ++i) {
      const double tolerance = exact ? 0.0 : rounding_bound(problem.shape.lookups, magnitude[i]);
      ASSERT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
    }
    if (first_run.empty()) first_run = actual;
    expect_same_bits(actual, first_run);
  }
}

constexpr Shape kShapes[] = {
    {0, 2, 2, 4, 32},      {1, 1, 1, 1, 32},    {50, 32, 2, 256, 32}, {200, 3, 5, 255, 7},
    {200, 16, 4, 64, 300}, {120, 4, 10, 3, 11}, {64, 1, 70, 8, 16},
};

TEST(CodebookGradientKernel, IsExactOnWholeNumbers) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message() << shape.lookups << " look-ups, K " << shape.centroids);
    expect_gradient(Problem(shape, true, 11), 0.25f, true);
  }
}

TEST(CodebookGradientKernel, MatchesDoubles) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message() << shape.lookups << " look-ups, K " << shape.centroids);
    expect_gradient(Problem(shape, false, 12), 0.01f, false);
  }
}

TEST(CodebookGradientKernel, SkipsRowsOfTiersWithoutCentroids) {
  for (const Shape& shape : kShapes)
    for (const int32_t first : {1, 40, 90}) {
      SCOPED_TRACE(::testing::Message() << shape.lookups << " look-ups, rows before " << first);
      Problem problem(shape, true, 13);
      problem.skip_rows_before(first);
      expect_gradient(problem, 0.25f, true);
    }
}

}  // namespace
}  // namespace mgqe

// Dot products of every two vectors of a row and their gradients against double loops.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/dot_pairs_kernel.cuh"

namespace mgqe {
namespace {

struct Problem {
  int64_t rows, vectors, dim;
  int64_t columns;  // of products: some lie beside them
  Buffer<float> x, product_gradient;

  Problem(int64_t rows, int64_t vectors, int64_t dim)
      : rows(rows),
        vectors(vectors),
        dim(dim),
        columns(vectors * (vectors - 1) / 2 + 3),
        x(testing::Random(1).normals(rows * vectors * dim), vectors * dim),
        product_gradient(testing::Random(2).normals(rows * columns), columns) {}
  PairRows shape() const { return {static_cast<int>(vectors), static_cast<int>(dim)}; }
  double at(int64_t row, int64_t vector, int64_t c) const { return x.row(row)[vector * dim + c]; }
};

template <class Check>
void for_each_problem(const Check& check) {
  for (const int64_t rows : {1, 3, 11})
    for (const int64_t vectors : {2, 4, 5, 27})
      for (const int64_t dim : {1, 16, 33})
        for (const uint64_t seed : kScheduleSeeds) {
          SCOPED_TRACE(::testing::Message()
                       << rows << " rows, " << vectors << " vectors, dim " << dim);
          check(Problem(rows, vectors, dim), seed);
        }
}

constexpr int kRows = 2;  // of a block: with two blocks every one has several turns

TEST(DotPairsKernel, MatchesDoublesAndLeavesWhatLiesBeside) {
  for_each_problem([](const Problem& problem, uint64_t seed) {
    const Buffer<float> before(testing::Random(3).normals(problem.rows * problem.columns),
                               problem.columns);
    const Buffer<float> out(before.values(), problem.columns),
        of_long(before.values(), problem.columns);
    simt::launch(2, kPairThreads, sizeof(float) * kRows * problem.shape().floats(), seed,
                 dot_pairs_kernel, problem.x.view(), problem.shape(), kRows, out.view());
    simt::launch(2, kPairThreads, 0, seed, dot_long_pairs_kernel, problem.x.view(), problem.shape(),
                 of_long.view());
    expect_same_bits(of_long.values(), out.values());
    for (int64_t r = 0; r < problem.rows; ++r) {
      int64_t p = 0;
      for (int64_t i = 0; i < problem.vectors; ++i)
        for (int64_t j = 0; j < i; ++j, ++p) {
          double sum = 0, magnitude = 0;
          for (int64_t c = 0; c < problem.dim; ++c) {
            const double term = problem.at(r, i, c) * problem.at(r, j, c);
            sum += term;
            magnitude += std::abs(term);
          }
          ASSERT_NEAR(out.row(r)[p], sum, rounding_bound(problem.dim, magnitude))
              << "row " << r << ", vectors " << i << " and " << j;
        }
      for (; p < problem.columns; ++p) ASSERT_EQ(out.row(r)[p], before.row(r)[p]);
    }
  });
}

TEST(DotPairsBackwardKernel, MatchesDoubles) {
  for_each_problem([](const Problem& problem, uint64_t seed) {
    const Buffer<float> x_gradient(problem.rows, problem.vectors * problem.dim);
    simt::launch(2, kPairThreads, sizeof(float) * kRows * problem.shape().backward_floats(), seed,
                 dot_pairs_backward_kernel, problem.x.view(), problem.shape(), kRows,
                 problem.product_gradient.view(), x_gradient.view());
    const Buffer<float> of_long(problem.rows, problem.vectors * problem.dim);
    simt::launch(2, kPairThreads, 0, seed, dot_long_pairs_backward_kernel, problem.x.view(),
                 problem.shape(), problem.product_gradient.view(), of_long.view());
    expect_same_bits(of_long.values(), x_gradient.values());
    for (int64_t r = 0; r < problem.rows; ++r)
      for (int64_t v = 0; v < problem.vectors; ++v)
        for (int64_t c = 0; c < problem.dim; ++c) {
          double sum = 0, magnitude = 0;
          for (int64_t j = 0; j < problem.vectors; ++j) {
            if (j == v) continue;
            const int64_t high = std::max(j, v), low = std::min(j, v);
            const double term =
                problem.product_gradient.row(r)[high * (high - 1) / 2 + low] * problem.at(r, j, c);
            sum += term;
            magnitude += std::abs(term);
          }
          ASSERT_NEAR(x_gradient.row(r)[v * problem.dim + c], sum,
                      rounding_bound(problem.vectors, magnitude))
              << "row " << r << ", vector " << v << ", column " << c;
        }
  });
}

}  // namespace
}  // namespace mgqe

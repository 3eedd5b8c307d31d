// Dot products of rows and their gradients against double loops.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/row_dots_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kRowsOfY = 11;

struct Problem {
  int64_t rows, d;
  Buffer<float> x, y_rows, out_gradient;
  Buffer<int32_t> y_index;

  Problem(int64_t rows, int64_t d)
      : rows(rows),
        d(d),
        x(testing::Random(1).normals(rows * d), d),
        y_rows(testing::Random(2).normals(kRowsOfY * d), d),
        out_gradient(testing::Random(3).normals(rows)),
        y_index(testing::Random(4).integers<int32_t>(rows, 0, kRowsOfY - 1)) {}
  Lookup y() const { return {y_rows, y_index}; }
  double y(int64_t t, int64_t c) const { return y_rows.row(y_index[t])[c]; }
};

template <class Check>
void for_each_problem(const Check& check) {
  for (const int64_t rows : {0, 1, 4, 9})
    for (const int64_t d : {1, 31, 32, 33, 64, 100}) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, d " << d);
      check(Problem(rows, d));
    }
}

TEST(RowDotsKernel, MatchesDoubles) {
  for_each_problem([](const Problem& problem) {
    for (const uint64_t seed : kScheduleSeeds) {
      const Buffer<float> out(problem.rows);
      simt::launch(2, kRowDotThreads, 0, seed, row_dots_kernel, problem.x.view(), problem.y(),
                   out.view());
      for (int64_t t = 0; t < problem.rows; ++t) {
        double sum = 0, magnitude = 0;
        for (int64_t c = 0; c < problem.d; ++c) {
          const double term = problem.x.row(t)[c] * problem.y(t, c);
          sum += term;
          magnitude += std::abs(term);
        }
        ASSERT_NEAR(out[t], sum, rounding_bound(problem.d, magnitude)) << "row " << t;
      }
    }
  });
}

TEST(RowDotsBackwardKernel, MatchesDoublesAndAccumulates) {
  for_each_problem([](const Problem& problem) {
    const Buffer<float> before(testing::Random(5).normals(problem.x.size()), problem.d);
    for (const bool accumulate : {false, true})
      for (const uint64_t seed : kScheduleSeeds) {
        const Buffer<float> x_gradient = accumulate ? Buffer<float>(before.values(), problem.d)
                                                    : Buffer<float>(problem.rows, problem.d);
        const Buffer<float> y_gradient(problem.rows, problem.d);
        simt::launch(2, kRowDotThreads, 0, seed, row_dots_backward_kernel, problem.x.view(),
                     problem.y(), problem.out_gradient.view(), x_gradient.view(), accumulate,
                     y_gradient.view());
        for (int64_t t = 0; t < problem.rows; ++t)
          for (int64_t c = 0; c < problem.d; ++c) {
            const double g = problem.out_gradient[t];
            const double old = accumulate ? before.row(t)[c] : 0.0;
            const double x = g * problem.y(t, c), y = g * problem.x.row(t)[c];
            ASSERT_NEAR(x_gradient.row(t)[c], old + x,
                        rounding_bound(1, std::abs(old) + std::abs(x)))
                << t << ", " << c;
            ASSERT_NEAR(y_gradient.row(t)[c], y, rounding_bound(1, std::abs(y))) << t << ", " << c;
          }
      }
  });
}

/// One pass over the tokens has the bits of the passes it stands for.
TEST(SampledLossKernel, HasTheBitsOfOpByOp) {
  for_each_problem([](const Problem& problem) {
    const int64_t n = problem.rows, d = problem.d;
    const Buffer<int32_t> negative_index(testing::Random(6).integers<int32_t>(n, 0, kRowsOfY - 1));
    const Lookup negatives{problem.y_rows, negative_index};
    constexpr float kScale = 0.25f;
    for (const uint64_t seed : kScheduleSeeds) {
      const Buffer<float> x_gradient(n, d), positive_gradient(n, d), negative_gradient(n, d),
          losses(2 * n);
      SampledLoss tokens;
      tokens.x = problem.x;
      tokens.positives = problem.y();
      tokens.negatives = negatives;
      tokens.scale = kScale;
      tokens.x_gradient = x_gradient;
      tokens.positive_gradient = positive_gradient;
      tokens.negative_gradient = negative_gradient;
      simt::launch(2, kRowDotThreads, 0, seed, sampled_loss_kernel, tokens, losses.data());

      const Buffer<float> x_expected(n, d), logits(n), expected_losses(2 * n), gradient(n);
      for (const bool negative : {false, true}) {
        const Buffer<float> y_expected(n, d);
        const Lookup y = negative ? negatives : problem.y();
        simt::launch(2, kRowDotThreads, 0, seed, row_dots_kernel, problem.x.view(), y,
                     logits.view());
        for (int64_t t = 0; t < n; ++t)
          bce_with_logit(logits[t], negative ? 0.0f : 1.0f, kScale,
                         expected_losses[(negative ? n : 0) + t], gradient[t]);
        simt::launch(2, kRowDotThreads, 0, seed, row_dots_backward_kernel, problem.x.view(), y,
                     gradient.view(), x_expected.view(), negative, y_expected.view());
        expect_same_bits((negative ? negative_gradient : positive_gradient).values(),
                         y_expected.values());
      }
      expect_same_bits(x_gradient.values(), x_expected.values());
      expect_same_bits(losses.values(), expected_losses.values());
    }
  });
}

}  // namespace
}  // namespace mgqe

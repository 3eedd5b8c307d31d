// Layer normalisation and its gradients against double loops.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/layer_norm_kernel.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr float kEpsilon = 1e-3f;  // large enough that forgetting it shows

struct Problem {
  int64_t rows, d;
  Buffer<float> x, gain, bias, out_gradient;

  Problem(int64_t rows, int64_t d, float mean)
      : rows(rows),
        d(d),
        x(shifted(rows * d, mean), d),
        gain(testing::Random(2).normals(d)),
        bias(testing::Random(3).normals(d)),
        out_gradient(testing::Random(4).normals(rows * d), d) {}
  static std::vector<float> shifted(int64_t n, float mean) {
    std::vector<float> values = testing::Random(1).normals(n);
    for (float& value : values) value += mean;
    return values;
  }

  struct Stats {
    double mean = 0, r = 0;
  };
  Stats stats(int64_t t) const {
    Stats stats;
    double variance = 0;
    for (int64_t c = 0; c < d; ++c) stats.mean += x.row(t)[c] / static_cast<double>(d);
    for (int64_t c = 0; c < d; ++c)
      variance += std::pow(x.row(t)[c] - stats.mean, 2) / static_cast<double>(d);
    stats.r = 1 / std::sqrt(variance + kEpsilon);
    return stats;
  }
  double y(int64_t t, int64_t c) const {
    const Stats s = stats(t);
    return (x.row(t)[c] - s.mean) * s.r;
  }
  /// Rounding of a normalised value: the mean's error over the deviation, and the sum of squares'.
  double y_bound(int64_t t, int64_t c) const {
    double magnitude = 0;
    for (int64_t i = 0; i < d; ++i) magnitude += std::abs(x.row(t)[i]) / static_cast<double>(d);
    return rounding_bound(d, magnitude * stats(t).r + std::abs(y(t, c)));
  }
};

template <class Check>
void for_each_problem(const Check& check) {
  for (const int64_t rows : {1, 7, 8, 9, 33})
    for (const int64_t d : {1, 31, 32, 33, 64, 128, 129, 150})
      for (const float mean : {0.0f, 50.0f}) {
        SCOPED_TRACE(::testing::Message() << rows << " rows, d " << d << ", mean " << mean);
        check(Problem(rows, d, mean));
      }
}

/// Whether a row fits the kernel that keeps it in registers; the other one takes any.
bool fits_registers(int64_t d) { return d <= kLayerNormRegisters * kWarpSize; }

template <int kColumns>
void expect_forward(const Problem& problem) {
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<float> out(problem.rows, problem.d), stats(problem.rows, 2);
    simt::launch(2, kLayerNormThreads, 0, seed, layer_norm_kernel<kColumns>, problem.x.view(),
                 problem.gain.view(), problem.bias.view(), kEpsilon, out.view(), stats.view());
    for (int64_t t = 0; t < problem.rows; ++t) {
      const Problem::Stats expected = problem.stats(t);
      ASSERT_NEAR(stats.row(t)[0] * expected.r, expected.mean * expected.r, problem.y_bound(t, 0));
      ASSERT_NEAR(stats.row(t)[1] / expected.r, 1.0, problem.y_bound(t, 0));
      for (int64_t c = 0; c < problem.d; ++c) {
        const double y = problem.y(t, c), gain = problem.gain[c], bias = problem.bias[c];
        const double bound = std::abs(gain) * problem.y_bound(t, c) +
                             rounding_bound(1, std::abs(gain * y) + std::abs(bias));
        ASSERT_NEAR(out.row(t)[c], gain * y + bias, bound) << t << ", " << c;
      }
    }
  }
}

TEST(LayerNormKernel, MatchesDoubles) {
  for_each_problem([](const Problem& problem) {
    expect_forward<0>(problem);
    if (fits_registers(problem.d)) expect_forward<kLayerNormRegisters>(problem);
  });
}

/// stats as the forward leaves them, in float.
Buffer<float> float_stats(const Problem& problem) {
  Buffer<float> stats(problem.rows, 2);
  for (int64_t t = 0; t < problem.rows; ++t) {
    stats.row(t)[0] = static_cast<float>(problem.stats(t).mean);
    stats.row(t)[1] = static_cast<float>(problem.stats(t).r);
  }
  return stats;
}

void expect_x_gradient(const Problem& problem, const Buffer<float>& before, bool accumulate,
                       const Buffer<float>& actual) {
  const int64_t d = problem.d;
  for (int64_t t = 0; t < problem.rows; ++t) {
    double mean = 0, product_mean = 0, magnitude = 0, largest_y = 0, y_bound = 0;
    for (int64_t c = 0; c < d; ++c) {
      const double g = problem.gain[c] * static_cast<double>(problem.out_gradient.row(t)[c]);
      const double y = problem.y(t, c);
      mean += g / static_cast<double>(d);
      product_mean += g * y / static_cast<double>(d);
      magnitude += std::abs(g);
      largest_y = std::max(largest_y, std::abs(y));
      y_bound = std::max(y_bound, problem.y_bound(t, c));
    }
    for (int64_t c = 0; c < d; ++c) {
      const double g = problem.gain[c] * static_cast<double>(problem.out_gradient.row(t)[c]);
      const double r = problem.stats(t).r, y = problem.y(t, c);
      const double old = accumulate ? before.row(t)[c] : 0.0;
      const double expected = old + r * (g - mean - y * product_mean);
      // Each g counts in both means, with a factor of at most largest_y each time it meets a y.
      const double bound = rounding_bound(d, r * magnitude * (2 + largest_y * largest_y)) +
                           r * magnitude * (1 + 2 * largest_y) * y_bound +
                           rounding_bound(1, std::abs(old));
      ASSERT_NEAR(actual.row(t)[c], expected, bound) << t << ", " << c;
    }
  }
}

void expect_column_sums(const Problem& problem, const Buffer<float>& gain,
                        const Buffer<float>& bias) {
  for (int64_t c = 0; c < problem.d; ++c) {
    double gain_sum = 0, bias_sum = 0, gain_bound = 0, magnitude = 0;
    for (int64_t t = 0; t < problem.rows; ++t) {
      const double g = problem.out_gradient.row(t)[c], y = problem.y(t, c);
      gain_sum += g * y;
      bias_sum += g;
      gain_bound +=
          std::abs(g) * problem.y_bound(t, c) + rounding_bound(problem.rows, std::abs(g * y));
      magnitude += std::abs(g);
    }
    ASSERT_NEAR(gain[c], gain_sum, gain_bound) << "gain " << c;
    ASSERT_NEAR(bias[c], bias_sum, rounding_bound(problem.rows, magnitude)) << "bias " << c;
  }
}

template <class Kernel>
void expect_backward(const Problem& problem, int64_t rows_per_chunk, bool accumulate,
                     Kernel kernel) {
  const int64_t d = problem.d, chunks = (problem.rows + rows_per_chunk - 1) / rows_per_chunk;
  const Buffer<float> stats = float_stats(problem);
  const Buffer<float> before(testing::Random(5).normals(problem.rows * d), d);
  std::vector<float> first_run;
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<float> x_gradient =
        accumulate ? Buffer<float>(before.values(), d) : Buffer<float>(problem.rows, d);
    const Buffer<float> partials(chunks, 2 * d), gain(d), bias(d);
    simt::launch(
        static_cast<unsigned>(chunks), kLayerNormThreads, 0, seed, kernel,
        LayerNormBackwardArguments{problem.x, problem.gain, stats, problem.out_gradient, x_gradient,
                                   accumulate, rows_per_chunk, partials.data()});
    simt::launch(1, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(),
                 ChunkCount{chunks}, SumTargets{{gain.data(), bias.data()}, d, 2});
    expect_x_gradient(problem, before, accumulate, x_gradient);
    expect_column_sums(problem, gain, bias);
    if (first_run.empty()) first_run = gain.values();
    expect_same_bits(gain.values(), first_run);
  }
}

TEST(LayerNormBackwardKernel, MatchesDoublesAndAccumulates) {
  for_each_problem([](const Problem& problem) {
    for (const bool accumulate : {false, true}) {
      expect_backward(problem, 16, accumulate, layer_norm_backward_any_kernel);
      if (fits_registers(problem.d))
        expect_backward(problem, 16, accumulate, layer_norm_backward_kernel<kLayerNormRegisters>);
    }
  });
}

}  // namespace
}  // namespace mgqe

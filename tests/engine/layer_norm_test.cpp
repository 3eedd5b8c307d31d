// Layer normalisation on every back end: the forward against naive loops, every gradient against
// finite differences, all in double.
#include <cmath>

#include "host/base/parallel.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr float kEpsilon = 1e-5f;

reference::Matrix normalized(const reference::Matrix& x, const reference::Matrix& gain,
                             const reference::Matrix& bias, double epsilon) {
  const size_t d = gain.size();
  reference::Matrix out(x.size());
  for (size_t t = 0; t < x.size() / d; ++t) {
    double mean = 0.0, variance = 0.0;
    for (size_t c = 0; c < d; ++c) mean += x[t * d + c] / static_cast<double>(d);
    for (size_t c = 0; c < d; ++c)
      variance += std::pow(x[t * d + c] - mean, 2) / static_cast<double>(d);
    for (size_t c = 0; c < d; ++c)
      out[t * d + c] = gain[c] * (x[t * d + c] - mean) / std::sqrt(variance + epsilon) + bias[c];
  }
  return out;
}

class LayerNorm : public OnEveryBackend {
 protected:
  struct Results {
    std::vector<float> out, x_gradient, gain_gradient, bias_gradient;
    bool operator==(const Results&) const = default;
  };
  /// x_before: added to, unless empty.
  Results run(const std::vector<float>& x, const std::vector<float>& gain,
              const std::vector<float>& bias, const std::vector<float>& out_gradient,
              const std::vector<float>& x_before = {}) {
    const auto d = static_cast<int64_t>(gain.size()), rows = static_cast<int64_t>(x.size()) / d;
    const Tensor<float> x_device = tensor(x, d), g = tensor(gain), b = tensor(bias);
    Tensor<float> out = poisoned<float>(rows, d), stats = poisoned<float>(rows, 2),
                  x_gradient = x_before.empty() ? poisoned<float>(rows, d) : tensor(x_before, d),
                  gain_gradient = poisoned<float>(d), bias_gradient = poisoned<float>(d);
    backend().layer_norm(x_device, g, b, kEpsilon, out, stats);
    backend().layer_norm_backward(x_device, g, stats, tensor(out_gradient, d), x_gradient,
                                  !x_before.empty(), gain_gradient, bias_gradient);
    return {out.to_host(), x_gradient.to_host(), gain_gradient.to_host(), bias_gradient.to_host()};
  }
};

TEST_P(LayerNorm, MatchesNaiveLoopsAndFiniteDifferences) {
  Random random(1);
  for (const auto& [rows, dim] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 2}, {3, 5}, {6, 16}, {300, 17}, {270, 64}}) {
    auto x = random.normals(rows * dim);
    const auto gain = random.normals(dim), bias = random.normals(dim),
               weights = random.normals(rows * dim), before = random.normals(rows * dim);
    if (dim > 2)  // a mean far from 0
      for (int64_t c = 0; c < dim; ++c) x[c] += 3.0f;
    const Results got = run(x, gain, bias, weights), added = run(x, gain, bias, weights, before);

    auto wide_x = reference::widen(x), wide_gain = reference::widen(gain),
         wide_bias = reference::widen(bias);
    const auto expected = normalized(wide_x, wide_gain, wide_bias, kEpsilon);
    // With two dimensions a row may be nearly constant: its deviation then amplifies rounding.
    const double tolerance = (dim == 2 ? 100 : 10) * sum_tolerance(dim + 8);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(got.out[i], expected[i], tolerance);

    const auto loss = [&] {
      const auto out = normalized(wide_x, wide_gain, wide_bias, kEpsilon);
      double sum = 0.0;
      for (size_t i = 0; i < out.size(); ++i) sum += out[i] * weights[i];
      return sum;
    };
    for (size_t i = 0; i<x.size(); i += x.size()> 100 ? 97 : 1) {
      const double of_x = reference::finite_difference(wide_x, i, loss);
      EXPECT_NEAR(got.x_gradient[i], of_x, tolerance) << rows << " x " << dim << " at " << i;
      EXPECT_NEAR(added.x_gradient[i], before[i] + of_x, tolerance);
    }
    const double sums_tolerance = tolerance + 4 * sum_tolerance(rows);
    for (size_t c = 0; c < gain.size(); ++c) {
      EXPECT_NEAR(got.gain_gradient[c], reference::finite_difference(wide_gain, c, loss),
                  sums_tolerance);
      EXPECT_NEAR(got.bias_gradient[c], reference::finite_difference(wide_bias, c, loss),
                  sums_tolerance);
    }
  }
}

TEST_P(LayerNorm, ConstantRowsAndNoRows) {
  const Results constant = run(std::vector<float>(64, 5.0f), std::vector<float>(64, 2.0f),
                               std::vector<float>(64, 0.25f), std::vector<float>(64, 1.0f));
  EXPECT_EQ(constant.out, std::vector<float>(64, 0.25f));
  const Results none = run({}, {1.0f, 1.0f}, {0.0f, 0.0f}, {});
  EXPECT_EQ(none.gain_gradient, std::vector<float>(2, 0.0f));
  EXPECT_EQ(none.bias_gradient, std::vector<float>(2, 0.0f));
}

TEST_P(LayerNorm, ThreadsDoNotChangeABit) {
  Random random(2);
  const auto x = random.normals(3001 * 64), weights = random.normals(3001 * 64),
             gain = random.normals(64), bias = random.normals(64);
  const int threads = thread_count();
  set_thread_count(1);
  const Results one = run(x, gain, bias, weights);
  set_thread_count(5);
  const Results five = run(x, gain, bias, weights);
  set_thread_count(threads);
  EXPECT_EQ(one, five);
}

MGQE_ON_EVERY_BACKEND(LayerNorm);

}  // namespace
}  // namespace mgqe::testing

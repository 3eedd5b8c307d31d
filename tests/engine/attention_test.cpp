// Causal attention on every back end: the forward against naive loops, every gradient against
// finite differences, all in double.
#include <cmath>
#include <numeric>

#include "host/base/parallel.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/scale.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

struct Case {
  std::vector<int32_t> lengths;
  int64_t dim;
  int heads;
  float rate = 0.0f;

  std::vector<int32_t> offsets() const {
    std::vector<int32_t> result = {0};
    for (const int32_t length : lengths) result.push_back(result.back() + length);
    return result;
  }
  int64_t tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }
  int64_t longest() const { return *std::max_element(lengths.begin(), lengths.end()); }
};

constexpr uint64_t kLayerKey = 77, kStep = 5;

struct NaiveRow {
  std::vector<double> out;  // (width)
  double log_sum;
};

/// One token and head, from the definition.
NaiveRow attend(const Case& shape, const reference::Matrix& q, const reference::Matrix& k,
                const reference::Matrix& v, int64_t first, int64_t t, int64_t h) {
  const int64_t d = shape.dim, width = d / shape.heads;
  std::vector<double> weights;
  double sum = 0.0;
  for (int64_t s = first; s <= t; ++s) {
    double score = 0.0;
    for (int64_t c = h * width; c < (h + 1) * width; ++c) score += q[t * d + c] * k[s * d + c];
    weights.push_back(std::exp(score / std::sqrt(static_cast<double>(width))));
    sum += weights.back();
  }
  NaiveRow row{std::vector<double>(static_cast<size_t>(width), 0.0), std::log(sum)};
  for (int64_t s = first; s <= t; ++s) {
    const auto element =
        static_cast<uint64_t>((t * shape.heads + h) * shape.longest() + (s - first));
    if (shape.rate > 0.0f &&
        !dropout_keeps(dropout_step_key(kLayerKey, kStep), element, shape.rate))
      continue;
    const double weight = weights[static_cast<size_t>(s - first)] / sum / (1.0 - shape.rate);
    for (int64_t c = 0; c < width; ++c) row.out[c] += weight * v[s * d + h * width + c];
  }
  return row;
}

/// Calls f(token, head, row) for every token and head.
template <class F>
void for_each_naive_row(const Case& shape, const reference::Matrix& q, const reference::Matrix& k,
                        const reference::Matrix& v, const F& f) {
  const auto offsets = shape.offsets();
  for (size_t b = 0; b + 1 < offsets.size(); ++b)
    for (int64_t t = offsets[b]; t < offsets[b + 1]; ++t)
      for (int64_t h = 0; h < shape.heads; ++h) f(t, h, attend(shape, q, k, v, offsets[b], t, h));
}

struct Inputs {
  std::vector<float> q, k, v, out_gradient;

  Inputs(const Case& shape, uint64_t seed) {
    Random random(seed);
    const int64_t n = shape.tokens() * shape.dim;
    q = random.normals(n), k = random.normals(n), v = random.normals(n);
    out_gradient = random.normals(n);
  }
};

class Attention : public OnEveryBackend {
 protected:
  struct Results {
    std::vector<float> out, log_sums, q, k, v;
    bool operator==(const Results&) const = default;
  };

  Results run(const Case& shape, const Inputs& inputs, uint64_t step = kStep,
              uint64_t layer_key = kLayerKey) {
    const int64_t tokens = shape.tokens(), d = shape.dim;
    const Tensor<float> q = tensor(inputs.q, d), k = tensor(inputs.k, d), v = tensor(inputs.v, d);
    const Tensor<int32_t> offsets = tensor(shape.offsets());
    const Tensor<StepState> state =
        tensor<StepState>({StepState{step, 1, step, 0, 0.0f, 0.0f, 0.0f, 0.0f}});
    const AttentionInput input{q, k, v, shape.heads};
    const Sequences sequences{offsets, shape.longest()};
    const Dropout dropout{layer_key, shape.rate};
    Tensor<float> out = poisoned<float>(tokens, d), log_sums = poisoned<float>(tokens, shape.heads),
                  q_gradient = poisoned<float>(tokens, d), k_gradient = poisoned<float>(tokens, d),
                  v_gradient = poisoned<float>(tokens, d);
    backend().attention(input, sequences, dropout, state, out, log_sums);
    backend().attention_backward(input, sequences, dropout, state, out, log_sums,
                                 tensor(inputs.out_gradient, d),
                                 {q_gradient, k_gradient, v_gradient});
    return {out.to_host(), log_sums.to_host(), q_gradient.to_host(), k_gradient.to_host(),
            v_gradient.to_host()};
  }
};

/// Weights of a row add up to 1, scores and gradients are of magnitude about 1 and are summed over
/// a head's width and a sequence's tokens.
double tolerance_of(const Case& shape) {
  return 8 * sum_tolerance(shape.dim / shape.heads + shape.longest() + 8);
}

TEST_P(Attention, ForwardMatchesNaiveLoops) {
  const std::vector<int32_t> ragged = {0, 1, 5, 0, 47, 48, 49, 3, 97, 16, 200, 0};
  for (const Case& shape :
       {Case{ragged, 64, 1}, Case{ragged, 64, 2}, Case{ragged, 64, 4, 0.3f}, Case{ragged, 64, 8},
        Case{{7, 130}, 10, 1, 0.3f}, Case{{20, 33, 1}, 6, 2}, Case{{3, 40}, 140, 2},
        Case{{1}, 1, 1}, Case{{0, 0}, 4, 2}}) {
    const Inputs inputs(shape, 1);
    const Results got = run(shape, inputs);
    const int64_t width = shape.dim / shape.heads;
    for_each_naive_row(
        shape, reference::widen(inputs.q), reference::widen(inputs.k), reference::widen(inputs.v),
        [&](int64_t t, int64_t h, const NaiveRow& row) {
          ASSERT_NEAR(got.log_sums[t * shape.heads + h], row.log_sum, tolerance_of(shape));
          for (int64_t c = 0; c < width; ++c)
            ASSERT_NEAR(got.out[t * shape.dim + h * width + c], row.out[c], tolerance_of(shape))
                << "token " << t << " head " << h << " of " << shape.heads;
        });
  }
}

TEST_P(Attention, OfLastTokensIsThatOfAllTokens) {
  const std::vector<int32_t> ragged = {0, 1, 5, 0, 47, 48, 49, 3, 97, 16, 200, 0};
  for (const Case& shape :
       {Case{ragged, 64, 1}, Case{ragged, 64, 2}, Case{ragged, 64, 8}, Case{{7, 130}, 10, 1},
        Case{{20, 33, 1}, 6, 2}, Case{{3, 40}, 140, 2}, Case{{1}, 1, 1}, Case{{0, 0}, 4, 2}}) {
    const Inputs inputs(shape, 9);
    const Results all = run(shape, inputs);
    const auto offsets = shape.offsets();
    const auto sequences = static_cast<int64_t>(shape.lengths.size());
    std::vector<float> queries(static_cast<size_t>(sequences * shape.dim), NAN), expected(queries);
    for (int64_t b = 0; b < sequences; ++b)
      for (int64_t c = 0; c < shape.dim; ++c) {
        const int64_t last = (offsets[b + 1] - 1) * shape.dim + c, at = b * shape.dim + c;
        const bool empty = offsets[b + 1] == offsets[b];
        if (!empty) queries[at] = inputs.q[last];
        expected[at] = empty ? 0.0f : all.out[last];
      }
    const Tensor<float> q = tensor(queries, shape.dim), k = tensor(inputs.k, shape.dim),
                        v = tensor(inputs.v, shape.dim);
    Tensor<float> out = poisoned<float>(sequences, shape.dim);
    backend().attention_of_last({q, k, v, shape.heads}, {tensor(offsets), shape.longest()}, out);
    const std::vector<float> got = out.to_host();
    if (backend().name() == "cpu") {
      EXPECT_EQ(got, expected);
    } else {
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], expected[i], tolerance_of(shape)) << i << " of " << shape.heads;
    }
  }
}

TEST_P(Attention, GradientsMatchFiniteDifferences) {
  for (const Case& shape :
       {Case{{3, 0, 1, 9}, 4, 1}, Case{{3, 0, 1, 9}, 4, 2, 0.3f}, Case{{5, 2}, 12, 4, 0.3f},
        Case{{2, 110}, 16, 1, 0.3f}, Case{{101, 1}, 32, 2}, Case{{60}, 10, 1, 0.3f},
        Case{{37, 3}, 35, 1, 0.3f}}) {
    const Inputs inputs(shape, 2);
    const Results got = run(shape, inputs);
    auto q = reference::widen(inputs.q), k = reference::widen(inputs.k),
         v = reference::widen(inputs.v);
    const int64_t width = shape.dim / shape.heads;
    const auto loss = [&] {
      double sum = 0.0;
      for_each_naive_row(shape, q, k, v, [&](int64_t t, int64_t h, const NaiveRow& row) {
        for (int64_t c = 0; c < width; ++c)
          sum += row.out[c] * inputs.out_gradient[t * shape.dim + h * width + c];
      });
      return sum;
    };
    const size_t stride = q.size() > 100 ? q.size() / 24 + 1 : 1;
    for (size_t i = 0; i < q.size(); i += stride) {
      EXPECT_NEAR(got.q[i], reference::finite_difference(q, i, loss), tolerance_of(shape)) << i;
      EXPECT_NEAR(got.k[i], reference::finite_difference(k, i, loss), tolerance_of(shape)) << i;
      EXPECT_NEAR(got.v[i], reference::finite_difference(v, i, loss), tolerance_of(shape)) << i;
    }
    // The last token's key and value are seen by its own query alone; every row must be written.
    for (const float value : got.k) ASSERT_TRUE(std::isfinite(value));
    for (const float value : got.v) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_P(Attention, FourThousandTokens) {
  const auto tokens = static_cast<int32_t>(scaled(4096, 300));
  const Case shape{{tokens}, 4, 1, 0.1f};
  const Inputs inputs(shape, 3);
  const Results got = run(shape, inputs);
  const auto q = reference::widen(inputs.q), k = reference::widen(inputs.k),
             v = reference::widen(inputs.v);
  for (const int64_t t : {0, 1, tokens / 4, tokens / 2 - 1, tokens - 1}) {
    const NaiveRow row = attend(shape, q, k, v, 0, t, 0);
    for (int64_t c = 0; c < shape.dim; ++c)
      EXPECT_NEAR(got.out[t * shape.dim + c], row.out[c], 1e-5) << t;
  }
  for (const float value : got.k) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
  const Case shape{{40}, 16, 1};
  Inputs inputs(shape, 4);
  for (float& value : inputs.q) value *= 100.0f;  // scores up to about 400
  const Results got = run(shape, inputs);
  for (const auto* values : {&got.out, &got.log_sums, &got.q, &got.k, &got.v})
    for (const float value : *values) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(Attention, TheFutureIsNotSeen) {
  const Case shape{{60}, 16, 2};
  Inputs inputs(shape, 5);
  const Results before = run(shape, inputs);
  const int64_t changed = 31;
  for (int64_t c = 0; c < shape.dim; ++c)
    inputs.k[changed * shape.dim + c] = inputs.v[changed * shape.dim + c] = 9.0f;
  const Results after = run(shape, inputs);
  for (int64_t i = 0; i < changed * shape.dim; ++i) ASSERT_EQ(after.out[i], before.out[i]);
  for (int64_t t = changed; t < 60; ++t)
    EXPECT_NE(after.out[t * shape.dim], before.out[t * shape.dim]) << t;
}

TEST_P(Attention, DropoutFollowsStepAndLayer) {
  const Case shape{{50, 20}, 16, 2, 0.3f};
  const Inputs inputs(shape, 6);
  const Results base = run(shape, inputs);
  EXPECT_EQ(run(shape, inputs), base);
  EXPECT_NE(run(shape, inputs, kStep + 1).out, base.out);
  EXPECT_NE(run(shape, inputs, kStep, kLayerKey + 1).out, base.out);
}

TEST_P(Attention, DropoutKeepsTheMean) {
  // Equal scores and values of 1: out is the kept share of a row's weights, scaled.
  const Case shape{{200, 200, 200, 200}, 16, 4, 0.3f};
  Inputs inputs(shape, 7);
  std::fill(inputs.q.begin(), inputs.q.end(), 0.0f);
  std::fill(inputs.v.begin(), inputs.v.end(), 1.0f);
  double sum = 0.0;
  const Results got = run(shape, inputs);
  for (const float value : got.out) sum += value;
  // A row of n keys has variance 0.3 / 0.7 / n; 3,200 rows of a head, mean of 1/n about 0.03.
  EXPECT_NEAR(sum / static_cast<double>(got.out.size()), 1.0, 5 * std::sqrt(0.43 * 0.03 / 3200));
}

TEST_P(Attention, ThreadsDoNotChangeABit) {
  const Case shape{{100, 1, 0, 57, 200, 33, 12, 90}, 64, 2, 0.2f};
  const Inputs inputs(shape, 8);
  const int threads = thread_count();
  set_thread_count(1);
  const Results one = run(shape, inputs);
  set_thread_count(5);
  const Results five = run(shape, inputs);
  set_thread_count(threads);
  EXPECT_EQ(one, five);
}

MGQE_ON_EVERY_BACKEND(Attention);

}  // namespace
}  // namespace mgqe::testing

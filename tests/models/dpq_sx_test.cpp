// DPQ-SX: the softmax backward op and the scheme, on every back end, against their formulas in
// double.
#include "host/base/parallel.hpp"
#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

/// What the softmax stands for: sum over rows and subspaces of sum_k p_k (value_k . g), plus the
/// chosen values' own share; keys and queries see the first, values the second.
struct SoftmaxObjective {
  int64_t d, D;
  Matrix queries, keys, offsets, values;
  std::vector<int64_t> rows;  // of queries
  std::vector<int> codes;     // (|rows|, D)
  Matrix gradient;            // (|rows|, d)

  double soft() const {
    const int64_t w = d / D, K = static_cast<int64_t>(keys.size()) / d;
    double loss = 0.0;
    for (size_t i = 0; i < rows.size(); ++i)
      for (int64_t j = 0; j < D; ++j) {
        double total = 0.0, weighted = 0.0;
        for (int64_t k = 0; k < K; ++k) {
          double score = -offsets[k * D + j], slope = 0.0;
          for (int64_t c = j * w; c < (j + 1) * w; ++c) {
            score += queries[rows[i] * d + c] * keys[k * d + c];
            slope += values[k * d + c] * gradient[i * d + c];
          }
          total += std::exp(score);
          weighted += std::exp(score) * slope;
        }
        loss += weighted / total;
      }
    return loss;
  }
  double hard() const {
    double loss = 0.0;
    for (size_t i = 0; i < rows.size(); ++i)
      for (int64_t c = 0; c < d; ++c)
        loss += values[codes[i * D + c * D / d] * d + c] * gradient[i * d + c];
    return loss;
  }
};

class DpqSx : public QuantizedFixture {
 protected:
  struct Gradients {
    std::vector<float> queries, keys, offsets, values;
  };
  Gradients softmax_backward(const SoftmaxObjective& o, int64_t capacity) {
    const auto narrow = [](const Matrix& x) { return std::vector<float>(x.begin(), x.end()); };
    std::vector<uint8_t> codes(o.codes.begin(), o.codes.end());
    codes.resize(capacity * o.D, 0xFF);
    std::vector<float> gradient = narrow(o.gradient);
    gradient.resize(capacity * o.d, NAN);
    std::vector<int32_t> ids(o.rows.begin(), o.rows.end());
    ids.resize(capacity, -1);
    const Tensor<float> e = tensor(narrow(o.queries), o.d), keys = tensor(narrow(o.keys), o.d),
                        offsets = tensor(narrow(o.offsets), o.D),
                        values = tensor(narrow(o.values), o.d), g = tensor(gradient, o.d);
    const Tensor<uint8_t> by_row = tensor(codes, o.D);
    const Tensor<int32_t> row_ids = tensor(ids),
                          count = tensor<int32_t>({static_cast<int32_t>(o.rows.size())});
    Tensor<float> query_gradient = poisoned<float>(capacity, o.d),
                  key_gradient = poisoned<float>(keys.rows(), o.d),
                  offset_gradient = poisoned<float>(keys.rows(), o.D),
                  value_gradient = poisoned<float>(keys.rows(), o.d);
    backend().softmax_backward({e, RowSet{row_ids.data(), count.data(), 0, capacity}, by_row, g},
                               {keys, offsets}, values,
                               {query_gradient, key_gradient, offset_gradient, value_gradient});
    return {query_gradient.to_host(), key_gradient.to_host(), offset_gradient.to_host(),
            value_gradient.to_host()};
  }
  static SoftmaxObjective objective(int64_t d, int64_t D, int64_t K, int64_t count, uint64_t seed) {
    Random random(seed);
    SoftmaxObjective o{d, D, {}, {}, {}, {}, {}, {}, {}};
    o.queries = reference::widen(random.normals(2 * count * d));
    o.keys = reference::widen(random.normals(K * d));
    o.offsets = reference::widen(random.normals(K * D));
    o.values = reference::widen(random.normals(K * d));
    for (int64_t i = 0; i < count; ++i) o.rows.push_back(2 * i + i % 2);
    o.codes = random.integers<int>(count * D, 0, static_cast<int>(K) - 1);
    o.gradient = reference::widen(random.normals(count * d));
    return o;
  }
};

TEST_P(DpqSx, SoftmaxBackwardMatchesFiniteDifferences) {
  struct Shape {
    int64_t d, D, K, count;
  };
  for (const Shape s :
       {Shape{4, 2, 5, 7}, Shape{6, 6, 16, 3}, Shape{8, 1, 17, 4}, Shape{8, 2, 3, 1},
        Shape{18, 1, 40, 2}, Shape{3, 1, 1, 2}, Shape{2, 1, 256, 2}}) {
    SCOPED_TRACE(::testing::Message() << "d " << s.d << ", D " << s.D << ", K " << s.K);
    SoftmaxObjective o = objective(s.d, s.D, s.K, s.count, 30 + s.K);
    const Gradients got = softmax_backward(o, s.count + 3);
    // Scores and slopes of w terms of magnitude up to about 10, a sum over K and one over rows; the
    // difference quotient errs by about 1e-9.
    const double tolerance = 10 * sum_tolerance(s.d / s.D + s.K + s.count + 8) + 1e-8;
    const auto expect_near = [&](Matrix& x, const std::vector<float>& actual, size_t first,
                                 const auto& loss) {
      for (size_t i = 0; i < actual.size(); ++i)
        ASSERT_NEAR(actual[i], reference::finite_difference(x, first + i, loss), tolerance) << i;
    };
    expect_near(o.keys, got.keys, 0, [&] { return o.soft(); });
    expect_near(o.offsets, got.offsets, 0, [&] { return o.soft(); });
    expect_near(o.values, got.values, 0, [&] { return o.hard(); });
    for (size_t i = 0; i < o.rows.size(); ++i)
      expect_near(o.queries, {got.queries.begin() + i * s.d, got.queries.begin() + (i + 1) * s.d},
                  o.rows[i] * s.d, [&] { return o.soft(); });
    for (size_t i = o.rows.size() * s.d; i < got.queries.size(); ++i)
      ASSERT_TRUE(std::isnan(got.queries[i])) << "past the count";
  }
}

TEST_P(DpqSx, SoftmaxBackwardOfNoRowsIsZero) {
  const Gradients got = softmax_backward(objective(4, 2, 5, 0, 1), 3);
  EXPECT_EQ(got.keys, std::vector<float>(20, 0.0f));
  EXPECT_EQ(got.offsets, std::vector<float>(10, 0.0f));
  EXPECT_EQ(got.values, std::vector<float>(20, 0.0f));
}

// Scores far apart or very large: the softmax is a one-hot, and no exponential overflows.
TEST_P(DpqSx, SoftmaxBackwardSurvivesLargeScores) {
  SoftmaxObjective o = objective(4, 2, 20, 6, 2);
  for (double& x : o.queries) x *= 1e4;
  const Gradients got = softmax_backward(o, 6);
  for (const auto& values : {got.queries, got.keys, got.offsets, got.values})
    for (const float x : values) ASSERT_TRUE(std::isfinite(x));
}

TEST_P(DpqSx, SoftmaxBackwardDoesNotDependOnThreads) {
  const SoftmaxObjective o = objective(24, 12, 50, 70, 3);
  const int threads = thread_count();
  set_thread_count(1);
  const Gradients alone = softmax_backward(o, 70);
  set_thread_count(4);
  const Gradients together = softmax_backward(o, 70);
  set_thread_count(threads);
  EXPECT_EQ(alone.queries, together.queries);
  EXPECT_EQ(alone.keys, together.keys);
  EXPECT_EQ(alone.offsets, together.offsets);
  EXPECT_EQ(alone.values, together.values);
}

/// Codes (D) with the greatest product of query and key, each checked for its regret.
std::vector<int> best_codes(const Matrix& queries, const Matrix& keys, int64_t id, int D) {
  const int64_t w = kTableDim / D;
  std::vector<int> codes(D);
  for (int j = 0; j < D; ++j) {
    double greatest = -INFINITY;
    for (int64_t k = 0; k < static_cast<int64_t>(keys.size()) / kTableDim; ++k) {
      double score = 0.0;
      for (int64_t c = j * w; c < (j + 1) * w; ++c)
        score += queries[id * kTableDim + c] * keys[k * kTableDim + c];
      if (score > greatest) {
        greatest = score;
        codes[j] = static_cast<int>(k);
      }
    }
  }
  return codes;
}

TEST_P(DpqSx, ForwardReturnsTheValuesOfTheBestKeys) {
  make(quantized_config("dpq_sx"));
  for (const int64_t lookups : {48, 1, 17}) {
    const auto ids = Random(lookups).integers<int32_t>(lookups, 0, kTableRows - 1);
    const auto rows = forward(ids);
    const auto all = arrays();
    const Matrix queries = reference::widen(all.at("t.queries")),
                 keys = reference::widen(all.at("t.keys"));
    for (int64_t b = 0; b < lookups; ++b)  // normals: no products nearly tie with this seed
      EXPECT_EQ(codes_of(&rows[b * kTableDim], ids[b], all.at("t.values")),
                best_codes(queries, keys, ids[b], 4));
  }
}

TEST_P(DpqSx, GradientsSumOverLookups) {
  make(quantized_config("dpq_sx"));
  const auto ids = Random(5).integers<int32_t>(kMaxLookups, 0, 25);  // repeats
  const auto before = arrays();
  forward(ids);
  const auto task = Random(6).normals(kMaxLookups * kTableDim, 0.3f);
  backward(task);
  const auto after = arrays();
  // By look-up, with no thought of distinct ids.
  SoftmaxObjective o{kTableDim,
                     4,
                     reference::widen(before.at("t.queries")),
                     reference::widen(before.at("t.keys")),
                     Matrix(20 * 4),
                     reference::widen(before.at("t.values")),
                     {},
                     {},
                     reference::widen(task)};
  for (const int32_t id : ids) {
    o.rows.push_back(id);
    for (const int code : best_codes(o.queries, o.keys, id, 4)) o.codes.push_back(code);
  }
  const auto expect_gradient = [&](const std::string& name, Matrix& x, const auto& loss) {
    const std::vector<float>& got = after.at(name + ".adam_first");
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(got[i], reference::finite_difference(x, i, loss), 4 * sum_tolerance(kMaxLookups))
          << name << " " << i;
  };
  expect_gradient("t.queries", o.queries, [&] { return o.soft(); });
  expect_gradient("t.keys", o.keys, [&] { return o.soft(); });
  expect_gradient("t.values", o.values, [&] { return o.hard(); });
}

TEST_P(DpqSx, EvaluationLooksUpTheRowsThatTrainingSees) {
  make(quantized_config("dpq_sx"));
  train(7, 8);
  const PackedTable packed = embedding().pack();
  EXPECT_EQ(packed.scheme, "dpq_sx");
  ASSERT_EQ(packed.arrays.size(), expected_arrays(packed).size());
  EXPECT_EQ(packed.tiers.size(), 1u);
  const auto served = decode_table(backend(), packed).to_host();
  for (int32_t first = 0; first < kTableRows; first += 30) {
    std::vector<int32_t> ids;
    for (int32_t id = first; id < first + 30; ++id) ids.push_back(id);
    const auto rows = forward(ids);
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], served[first * kTableDim + i]);
  }
  ASSERT_EQ(embedding().tier_reports().size(), 1u);
  EXPECT_EQ(embedding().tier_reports()[0].rows, kTableRows);
}

TEST_P(DpqSx, KeysAndValuesStartApart) {
  make(quantized_config("dpq_sx"));
  EXPECT_NE(arrays().at("t.keys"), arrays().at("t.values"));
}

MGQE_ON_EVERY_BACKEND(DpqSx);

TEST(DpqSxOptions, ThoseOfVectorQuantizationAreRefused) {
  Config config;
  config.embedding = quantized_config("dpq_sx");
  EXPECT_NO_THROW(validate(config));
  const auto refused = [&](auto change) {
    Config changed = config;
    change(changed.embedding);
    EXPECT_THROW(validate(changed), InputError);
    changed.embedding.scheme = "dpq_vq";
    EXPECT_NO_THROW(validate(changed));
  };
  refused([](EmbeddingConfig& e) { e.commitment_weight = 0.25; });
  refused([](EmbeddingConfig& e) { e.kmeans_start = 3; });
  refused([](EmbeddingConfig& e) { e.grouping = Grouping::kLookup; });
}

}  // namespace
}  // namespace mgqe::testing

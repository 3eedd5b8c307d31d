// Batch-normalized responses and the temperature of DPQ-SX, against their formulas by look-up in
// double: codes, gradients through mean and variance, running moments, and what is served.
#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

constexpr int kSubspaces = 4, kWidth = static_cast<int>(kTableDim) / kSubspaces, kKeys = 20;

/// By key.
struct ResponseMoments {
  std::vector<double> mean = std::vector<double>(kKeys, 0.0);
  std::vector<double> variance = std::vector<double>(kKeys, 1.0);
};

struct Options {
  bool normalized;
  double temperature;
};

class ResponseScalingTest : public QuantizedFixture {
 protected:
  void make_with(const Options& options) {
    options_ = options;
    EmbeddingConfig config = quantized_config("dpq_sx");
    config.distance_bn = options.normalized ? DistanceBn::kTf : DistanceBn::kNone;
    config.softmax_temperature = options.temperature;
    make(config);
  }
  static double response(const Matrix& queries, const Matrix& keys, int64_t id, int j, int k) {
    double sum = 0.0;
    for (int64_t c = j * kWidth; c < (j + 1) * kWidth; ++c)
      sum += queries[id * kTableDim + c] * keys[k * kTableDim + c];
    return sum;
  }
  static ResponseMoments moments_of(const std::vector<int32_t>& ids, const Matrix& queries,
                                    const Matrix& keys) {
    ResponseMoments moments;
    const double count = static_cast<double>(ids.size()) * kSubspaces;
    for (int k = 0; k < kKeys; ++k) {
      double mean = 0.0, variance = 0.0;
      for (const int32_t id : ids)
        for (int j = 0; j < kSubspaces; ++j) mean += response(queries, keys, id, j, k) / count;
      for (const int32_t id : ids)
        for (int j = 0; j < kSubspaces; ++j) {
          const double off = response(queries, keys, id, j, k) - mean;
          variance += off * off / count;
        }
      moments.mean[k] = mean;
      moments.variance[k] = variance;
    }
    return moments;
  }
  double score(const Matrix& queries, const Matrix& keys, const ResponseMoments& moments,
               int64_t id, int j, int k) const {
    const double plain = response(queries, keys, id, j, k);
    if (!options_.normalized) return plain / options_.temperature;
    return (plain - moments.mean[k]) / std::sqrt(moments.variance[k] + 1e-3) / options_.temperature;
  }
  std::vector<int> best_codes(const Matrix& queries, const Matrix& keys,
                              const ResponseMoments& moments, int64_t id) const {
    std::vector<int> codes(kSubspaces);
    for (int j = 0; j < kSubspaces; ++j)
      for (int k = 1; k < kKeys; ++k)
        if (score(queries, keys, moments, id, j, k) >
            score(queries, keys, moments, id, j, codes[j]))
          codes[j] = k;
    return codes;
  }
  /// sum over look-ups b and subspaces of sum_k p_k (value_k . gradient_b).
  double soft_loss(const std::vector<int32_t>& ids, const Matrix& queries, const Matrix& keys,
                   const Matrix& values, const std::vector<float>& gradient) const {
    const ResponseMoments moments = moments_of(ids, queries, keys);
    double loss = 0.0;
    for (size_t b = 0; b < ids.size(); ++b)
      for (int j = 0; j < kSubspaces; ++j) {
        double total = 0.0, weighted = 0.0;
        for (int k = 0; k < kKeys; ++k) {
          const double p = std::exp(score(queries, keys, moments, ids[b], j, k));
          double slope = 0.0;
          for (int64_t c = j * kWidth; c < (j + 1) * kWidth; ++c)
            slope += values[k * kTableDim + c] * gradient[b * kTableDim + c];
          total += p;
          weighted += p * slope;
        }
        loss += weighted / total;
      }
    return loss;
  }

  Options options_{};
};

constexpr Options kOptions[] = {{true, 1.0}, {false, 0.5}, {true, 0.25}};

TEST_P(ResponseScalingTest, TheGreatestScoreChoosesTheCode) {
  for (const Options& options : kOptions) {
    make_with(options);
    const auto ids = Random(3).integers<int32_t>(kMaxLookups, 0, 40);  // repeats weigh
    const auto rows = forward(ids);
    const auto all = arrays();
    const Matrix queries = reference::widen(all.at("t.queries")),
                 keys = reference::widen(all.at("t.keys"));
    const ResponseMoments moments = moments_of(ids, queries, keys);
    int changed = 0;
    for (size_t b = 0; b < ids.size(); ++b) {  // normals: no scores nearly tie with this seed
      const std::vector<int> codes = best_codes(queries, keys, moments, ids[b]);
      EXPECT_EQ(codes_of(&rows[b * kTableDim], ids[b], all.at("t.values")), codes);
      options_.normalized = false;
      changed += codes != best_codes(queries, keys, moments, ids[b]) ? 1 : 0;
      options_ = options;
    }
    EXPECT_EQ(changed > 0, options.normalized) << "a temperature changes no code";
  }
}

TEST_P(ResponseScalingTest, GradientsGoThroughMeanVarianceAndTemperature) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(options.temperature);
    make_with(options);
    const auto ids = Random(5).integers<int32_t>(kMaxLookups, 0, 25);  // repeats
    const auto before = arrays();
    forward(ids);
    const auto task = Random(6).normals(kMaxLookups * kTableDim, 0.3f);
    backward(task);
    const auto after = arrays();
    Matrix queries = reference::widen(before.at("t.queries")),
           keys = reference::widen(before.at("t.keys"));
    const Matrix values = reference::widen(before.at("t.values"));
    const auto expect_gradient = [&](const std::string& name, Matrix& x) {
      const std::vector<float>& got = after.at(name + ".adam_first");
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(got[i],
                    reference::finite_difference(
                        x, i, [&] { return soft_loss(ids, queries, keys, values, task); }),
                    // Factors of a key: at most 1 / (sqrt(variance) temperature), below 16 here.
                    16 * 4 * sum_tolerance(kMaxLookups))
            << name << " " << i;
    };
    expect_gradient("t.queries", queries);
    expect_gradient("t.keys", keys);
    // Values get the gradient of the chosen codes, whatever the scores.
    const ResponseMoments moments = moments_of(ids, queries, keys);
    Matrix chosen(values.size());
    for (size_t b = 0; b < ids.size(); ++b) {
      const std::vector<int> codes = best_codes(queries, keys, moments, ids[b]);
      for (int64_t c = 0; c < kTableDim; ++c)
        chosen[codes[c / kWidth] * kTableDim + c] += task[b * kTableDim + c];
    }
    for (size_t i = 0; i < chosen.size(); ++i)
      ASSERT_NEAR(after.at("t.values.adam_first")[i], chosen[i], sum_tolerance(kMaxLookups)) << i;
  }
}

TEST_P(ResponseScalingTest, RunningMomentsFollowBatchesAndServe) {
  make_with({true, 0.5});
  ResponseMoments running;
  for (int step = 0; step < 4; ++step) {
    const auto ids = Random(step).integers<int32_t>(step == 2 ? 5 : kMaxLookups, 0, 59);
    const auto before = arrays();
    forward(ids);
    backward(Random(step + 50).normals(static_cast<int64_t>(ids.size()) * kTableDim, 0.1f));
    const ResponseMoments batch = moments_of(ids, reference::widen(before.at("t.queries")),
                                             reference::widen(before.at("t.keys")));
    for (int k = 0; k < kKeys; ++k) {
      running.mean[k] += 0.01 * (batch.mean[k] - running.mean[k]);
      running.variance[k] += 0.01 * (batch.variance[k] - running.variance[k]);
    }
  }
  const auto all = arrays();
  const std::vector<float>& got = all.at("t.response_moments");
  ASSERT_EQ(got.size(), 2u * kKeys);
  for (int k = 0; k < kKeys; ++k) {
    EXPECT_NEAR(got[2 * k], running.mean[k], 10 * sum_tolerance(4)) << k;
    EXPECT_NEAR(got[2 * k + 1], running.variance[k], 10 * sum_tolerance(4)) << k;
  }
  const Matrix queries = reference::widen(all.at("t.queries")),
               keys = reference::widen(all.at("t.keys"));
  const auto rows = decode_table(backend(), embedding().pack()).to_host();
  for (int32_t id = 0; id < kTableRows; ++id)
    EXPECT_EQ(codes_of(&rows[id * kTableDim], id, all.at("t.values")),
              best_codes(queries, keys, running, id));
}

TEST_P(ResponseScalingTest, PlainScoresKeepNoMoments) {
  make_with({false, 1.0});
  EXPECT_EQ(arrays().count("t.response_moments"), 0u);
}

MGQE_ON_EVERY_BACKEND(ResponseScalingTest);

}  // namespace
}  // namespace mgqe::testing

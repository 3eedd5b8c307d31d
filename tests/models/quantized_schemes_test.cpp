// dpq_vq and mgqe in every variant: codes, gradients and packing against naive loops in double.
#include <set>

#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

class QuantizedSchemes : public QuantizedFixture {
 protected:
  /// Every variant under both groupings.
  static std::vector<EmbeddingConfig> configs() {
    std::vector<EmbeddingConfig> all;
    for (EmbeddingConfig config : vector_quantized_configs())
      for (const Grouping grouping : {Grouping::kTier, Grouping::kLookup}) {
        config.grouping = grouping;
        all.push_back(config);
      }
    return all;
  }
  void expect_surrogate_gradients(const EmbeddingConfig& config, const std::vector<int32_t>& ids);
};

TEST_P(QuantizedSchemes, ForwardReturnsTheNearestCentroids) {
  Random random(1);
  for (const EmbeddingConfig& config : configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    for (const int64_t lookups : {48, 1, 17}) {
      const auto ids = random.integers<int32_t>(lookups, 0, kTableRows - 1);
      const auto rows = forward(ids);
      const auto all = arrays();
      for (int64_t b = 0; b < lookups; ++b) expect_nearest(&rows[b * kTableDim], ids[b], all);
    }
  }
}

/// The objective whose true gradients are the straight-through ones, for fixed codes: the task's
/// gradient G reaches e alone; c and e each see the other as a constant in the quantizer's losses.
///   sum_b G_b e_b + weight mean (c - e0)^2 + commitment mean (c0 - e)^2
struct Surrogate {
  reference::Matrix queries, start;  // e, and e0 that gradients stop at
  std::map<std::string, reference::Matrix> codebooks, start_codebooks;
  std::vector<int32_t> ids;
  std::vector<std::string> names;       // of each look-up's codebook
  std::vector<std::vector<int>> codes;  // of each look-up
  std::vector<float> task;              // G
  double weight, commitment;

  double operator()() const {
    double loss = 0.0;
    const double mean = 1.0 / static_cast<double>(ids.size() * kTableDim);
    for (size_t b = 0; b < ids.size(); ++b)
      for (int64_t q = 0; q < kTableDim; ++q) {
        const int64_t e = ids[b] * kTableDim + q;
        const int64_t k = codes[b][q * static_cast<int64_t>(codes[b].size()) / kTableDim];
        const int64_t c = k * kTableDim + q;
        loss += task[b * kTableDim + q] * queries[e];
        loss += weight * mean * std::pow(codebooks.at(names[b])[c] - start[e], 2);
        loss += commitment * mean * std::pow(start_codebooks.at(names[b])[c] - queries[e], 2);
      }
    return loss;
  }
};

void QuantizedSchemes::expect_surrogate_gradients(const EmbeddingConfig& config,
                                                  const std::vector<int32_t>& ids) {
  make(config);
  const auto before = arrays();
  const auto rows = forward(ids);
  const auto task = Random(2).normals(static_cast<int64_t>(ids.size()) * kTableDim, 0.1f);
  backward(task);
  Surrogate surrogate{reference::widen(before.at("t.queries")),
                      reference::widen(before.at("t.queries")),
                      {},
                      {},
                      ids,
                      {},
                      {},
                      task,
                      config.codebook_weight,
                      config.commitment_weight};
  for (size_t b = 0; b < ids.size(); ++b) {
    surrogate.names.push_back(codebook_name(ids[b]));
    surrogate.codes.push_back(
        codes_of(&rows[b * kTableDim], ids[b], before.at(surrogate.names.back())));
  }
  for (const auto& [name, values] : before)
    if (name.ends_with("codebook") || name[name.size() - 2] == '.')
      surrogate.codebooks[name] = reference::widen(values);
  surrogate.start_codebooks = surrogate.codebooks;

  const auto after = arrays();
  const auto expect_gradient = [&](const std::string& name, reference::Matrix& x) {
    const std::vector<float>& got = after.at(name + ".adam_first");
    ASSERT_EQ(got.size(), x.size());
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(got[i], reference::finite_difference(x, i, surrogate),
                  4 * sum_tolerance(kMaxLookups))
          << name << " " << i;
  };
  expect_gradient("t.queries", surrogate.queries);
  for (auto& [name, values] : surrogate.codebooks) expect_gradient(name, values);
}

TEST_P(QuantizedSchemes, GradientsAreThoseOfTheSurrogateObjective) {
  const auto ids = Random(3).integers<int32_t>(kMaxLookups, 0, 45);  // repeats
  for (EmbeddingConfig config : configs()) {
    SCOPED_TRACE(label(config));
    expect_surrogate_gradients(config, ids);
    config.codebook_weight = 0.7;
    config.commitment_weight = 0.25;
    expect_surrogate_gradients(config, ids);
  }
}

TEST_P(QuantizedSchemes, GradientsUnderNormalizedDistances) {
  const auto ids = Random(4).integers<int32_t>(kMaxLookups, 0, kTableRows - 1);
  for (EmbeddingConfig config : configs()) {
    SCOPED_TRACE(label(config));
    config.distance_bn = DistanceBn::kTf;
    config.commitment_weight = 0.25;
    expect_surrogate_gradients(config, ids);
  }
}

TEST_P(QuantizedSchemes, ATierThatIsAbsentFromTheBatchLearnsNothing) {
  for (const Variant variant : {Variant::kPrivateK, Variant::kPrivateD}) {
    make(quantized_config("mgqe", variant));
    const auto before = arrays();
    const std::vector<int32_t> ids = {0, 45, 45, 59};  // none of tier 1
    const auto rows = forward(ids);
    for (size_t b = 0; b < ids.size(); ++b) expect_nearest(&rows[b * kTableDim], ids[b], before);
    backward(std::vector<float>(ids.size() * kTableDim, 0.1f));
    const auto after = arrays();
    EXPECT_EQ(after.at("t.codebook.1"), before.at("t.codebook.1")) << name_of(variant);
    EXPECT_NE(after.at("t.codebook.0"), before.at("t.codebook.0")) << name_of(variant);
    EXPECT_NE(after.at("t.codebook.2"), before.at("t.codebook.2")) << name_of(variant);
  }
}

TEST_P(QuantizedSchemes, GroupingChangesNothingButTheOrderOfSums) {
  for (EmbeddingConfig config : vector_quantized_configs()) {
    SCOPED_TRACE(label(config));
    config.commitment_weight = 0.5;
    const auto ids = Random(5).integers<int32_t>(kMaxLookups, 0, 30);
    const auto gradient = Random(6).normals(kMaxLookups * kTableDim, 0.1f);
    make(config);
    const auto rows = forward(ids);
    backward(gradient);
    const auto by_tier = arrays();
    config.grouping = Grouping::kLookup;
    make(config);
    EXPECT_EQ(forward(ids), rows);
    backward(gradient);
    for (const auto& [name, values] : arrays()) {
      if (!name.ends_with(".adam_first")) continue;  // the update divides by small roots
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_NEAR(values[i], by_tier.at(name)[i], 2 * sum_tolerance(kMaxLookups)) << name;
    }
  }
}

TEST_P(QuantizedSchemes, EvaluationLooksUpTheRowsThatTrainingSees) {
  for (const EmbeddingConfig& config : configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(7, 7);
    const auto served = decode_table(backend(), embedding().pack()).to_host();
    ASSERT_EQ(static_cast<int64_t>(served.size()), kTableRows * kTableDim);
    for (int32_t first = 0; first < kTableRows; first += 30) {
      std::vector<int32_t> ids;
      for (int32_t id = first + 29; id >= first; --id) ids.push_back(id);
      const auto rows = forward(ids);
      for (size_t b = 0; b < ids.size(); ++b)
        for (int64_t q = 0; q < kTableDim; ++q)
          ASSERT_EQ(rows[b * kTableDim + q], served[ids[b] * kTableDim + q]) << "id " << ids[b];
    }
  }
}

TEST_P(QuantizedSchemes, PackNamesArraysAndTiersOfEachVariant) {
  for (const EmbeddingConfig& config : vector_quantized_configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(3, 8);
    const PackedTable packed = embedding().pack();
    EXPECT_EQ(packed.scheme, config.scheme);
    EXPECT_EQ(packed.rows, kTableRows);
    EXPECT_EQ(packed.dim, kTableDim);
    EXPECT_EQ(packed.private_codebooks, config.variant != Variant::kSharedK);
    const std::vector<ArraySpec> expected = expected_arrays(packed);
    EXPECT_EQ(packed.arrays.size(), expected.size());
    for (const ArraySpec& array : expected) {
      ASSERT_TRUE(packed.arrays.contains(array.name)) << array.name;
      EXPECT_EQ(packed.arrays.at(array.name).shape, array.shape) << array.name;
      EXPECT_EQ(packed.arrays.at(array.name).dtype, array.dtype) << array.name;
    }
    const std::vector<int64_t> ends =
        config.tiers.empty() ? std::vector<int64_t>{60} : std::vector<int64_t>{6, 30, 60};
    ASSERT_EQ(packed.tiers.size(), ends.size());
    for (size_t i = 0; i < ends.size(); ++i) {
      EXPECT_EQ(packed.tiers[i].end, ends[i]);
      EXPECT_EQ(packed.tiers[i].centroids, limit(ends[i] - 1));
      EXPECT_EQ(packed.tiers[i].subspaces, subspaces(ends[i] - 1));
    }
  }
}

TEST_P(QuantizedSchemes, ReportsMeasureEveryTier) {
  for (const EmbeddingConfig& config : vector_quantized_configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(3, 9);
    const auto rows = decode_table(backend(), embedding().pack()).to_host();
    const auto all = arrays();
    const auto reports = embedding().tier_reports();
    const int tiers = static_cast<int>(config.tiers.size()) + 1;
    ASSERT_EQ(static_cast<int>(reports.size()), tiers);
    for (int tier = 0; tier < tiers; ++tier) {
      double error = 0.0;
      int64_t count = 0;
      std::map<std::pair<int, int>, double> uses;  // by subspace and code
      int64_t last = 0;
      for (int64_t id = 0; id < kTableRows; ++id) {
        if (tier_of(id) != tier) continue;
        ++count;
        last = id;
        const auto codes = codes_of(&rows[id * kTableDim], id, all.at(codebook_name(id)));
        for (size_t j = 0; j < codes.size(); ++j) uses[{static_cast<int>(j), codes[j]}] += 1.0;
        for (int64_t q = 0; q < kTableDim; ++q)
          error += std::pow(
              double{all.at("t.queries")[id * kTableDim + q]} - rows[id * kTableDim + q], 2);
      }
      std::vector<double> entropy(subspaces(last), 0.0);
      for (const auto& [key, use] : uses) entropy[key.first] -= use / count * std::log(use / count);
      double perplexity = 0.0;
      for (const double h : entropy)
        perplexity += std::exp(h) / static_cast<double>(entropy.size());
      const TierReport& report = reports[tier];
      EXPECT_EQ(report.rows, count);
      EXPECT_EQ(report.centroids, limit(last));
      EXPECT_EQ(report.unused_centroids,
                limit(last) * subspaces(last) - static_cast<int64_t>(uses.size()));
      EXPECT_NEAR(report.perplexity, perplexity, 1e-9);
      EXPECT_NEAR(report.mean_squared_error, error / static_cast<double>(count * kTableDim),
                  sum_tolerance(kTableDim));
    }
  }
}

TEST_P(QuantizedSchemes, CodebooksOfTiersStartApart) {
  make(quantized_config("mgqe", Variant::kPrivateD));
  const auto all = arrays();
  EXPECT_NE(all.at("t.codebook.0"), all.at("t.codebook.1"));
  EXPECT_NE(all.at("t.codebook.1"), all.at("t.codebook.2"));
}

MGQE_ON_EVERY_BACKEND(QuantizedSchemes);

TEST(TierReport, CollapsedBelowATenthOfWhatIsAllowed) {
  const auto collapsed = [](int64_t rows, int centroids, double perplexity) {
    return TierReport{rows, centroids, perplexity, 0, 0.0}.collapsed();
  };
  EXPECT_TRUE(collapsed(1000, 256, 1.0));
  EXPECT_TRUE(collapsed(1000, 256, 26.4));
  EXPECT_FALSE(collapsed(1000, 256, 26.51));
  EXPECT_FALSE(collapsed(20, 256, 10.0)) << "few rows cannot use more";
  EXPECT_TRUE(collapsed(20, 256, 2.0));
  EXPECT_TRUE(collapsed(1000, 4, 1.1));
  EXPECT_FALSE(collapsed(1000, 4, 1.5));
  EXPECT_FALSE(collapsed(1000, 1, 1.0)) << "one centroid is all there is";
  EXPECT_FALSE(collapsed(1, 256, 1.0));
  EXPECT_FALSE(collapsed(0, 256, 0.0));
}

}  // namespace
}  // namespace mgqe::testing

#include <cmath>
#include <numeric>

#include "host/data/ctr/ctr_synthetic.hpp"
#include "host/train/ctr_metrics.hpp"
#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

CtrSyntheticConfig some_fields() {
  CtrSyntheticConfig config;
  config.bag_rows = {50};
  config.dense = 2;
  return config;
}

TEST(CtrSynthetic, ARowIsAFunctionOfItsNumber) {
  const CtrSynthetic rows(some_fields());
  const CtrBatch all = all_rows(rows, CtrSplit::kTest);
  const std::vector<int64_t> some = {9999, 3, 3, 5000};
  CtrBatch batch;
  rows.gather(CtrSplit::kTest, some, batch);
  for (size_t i = 0; i < some.size(); ++i) {
    const auto row = static_cast<size_t>(some[i]);
    EXPECT_EQ(batch.labels[i], all.labels[row]);
    for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(ids_of(batch, c)[i], ids_of(all, c)[row]);
    EXPECT_EQ(batch.dense[2 * i + 1], all.dense[2 * row + 1]);
    const auto& bag = batch.bags[0];
    EXPECT_EQ(bag.offsets[i + 1] - bag.offsets[i],
              all.bags[0].offsets[row + 1] - all.bags[0].offsets[row]);
  }
  CtrSyntheticConfig other = some_fields();
  other.seed = 2;
  EXPECT_NE(all_rows(CtrSynthetic(other), CtrSplit::kTest).ids, all.ids);
  EXPECT_NE(CtrSynthetic(other).fingerprint(), rows.fingerprint());
  EXPECT_NE(ids_of(all_rows(rows, CtrSplit::kValid), 2), ids_of(all, 2));
}

TEST(CtrSynthetic, IdsFollowZipfsLaw) {
  const CtrBatch all = all_rows(CtrSynthetic(some_fields()), CtrSplit::kTrain);
  const std::vector<int32_t> ids = ids_of(all, 1);
  std::vector<double> counts(1000);
  for (const int32_t id : ids) ++counts.at(static_cast<size_t>(id));
  for (const int id : {0, 1, 5, 20, 99}) {
    const double expected = 1e5 * std::log((id + 2.0) / (id + 1.0)) / std::log(1001.0);
    EXPECT_NEAR(counts[static_cast<size_t>(id)], expected, 6 * std::sqrt(expected)) << id;
  }
}

TEST(CtrSynthetic, LabelsAreAsLikelyAsTheModelSays) {
  const CtrSynthetic rows(some_fields());
  const CtrBatch all = all_rows(rows, CtrSplit::kTrain);
  const std::vector<float> logits = rows.true_logits(all);
  // By tenths of the probability: sums of labels against sums of probabilities.
  double expected[10] = {}, seen[10] = {}, variance[10] = {};
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = 1.0 / (1.0 + std::exp(-static_cast<double>(logits[i])));
    const auto bin = static_cast<size_t>(std::min(9.0, 10 * p));
    expected[bin] += p;
    variance[bin] += p * (1 - p);
    seen[bin] += all.labels[i];
  }
  for (int bin = 0; bin < 10; ++bin) {
    EXPECT_NEAR(seen[bin], expected[bin], 5 * std::sqrt(variance[bin]) + 1) << bin;
    EXPECT_GT(expected[bin], 50) << "every tenth has rows";
  }
  // The model that made the labels ranks them well, and not perfectly.
  CtrMetrics metrics;
  metrics.add(logits, all.labels);
  EXPECT_GT(*metrics.auc(), 0.75);
  EXPECT_LT(*metrics.auc(), 0.95);
}

TEST(CtrSynthetic, CriteosShapeAt40MillionValues) {
  const std::vector<int64_t> fields = criteo_field_rows(40'000'000);
  EXPECT_EQ(fields.size(), 26u);
  EXPECT_NEAR(static_cast<double>(std::accumulate(fields.begin(), fields.end(), int64_t{0})), 4e7,
              4e5);
  CtrSyntheticConfig config;
  config.field_rows = fields;
  config.dense = 13;
  config.rows[0] = 4'000'000'000;
  const CtrSynthetic rows(config);
  EXPECT_GT(rows.shape().table_rows(), 39'000'000);
  CtrBatch batch;
  rows.range(CtrSplit::kTrain, 3'999'999'000, 1000, batch);
  for (int64_t c = 0; c < 26; ++c)
    for (const int32_t id : ids_of(batch, c)) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, fields[static_cast<size_t>(c)]);
    }
  EXPECT_EQ(criteo_field_rows(1000).size(), 26u);
  config.field_rows = {0};
  EXPECT_EQ(refusal([&] { CtrSynthetic{config}; }),
            "synthetic field field1 of 0 rows: expected 1 to 2147483647");
}

}  // namespace
}  // namespace mgqe

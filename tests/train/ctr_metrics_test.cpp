#include "host/train/ctr_metrics.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

/// Every pair of a positive and a negative: 1 where the positive scores above, half where they tie.
double pairs_won(const std::vector<float>& logits, const std::vector<float>& labels) {
  double won = 0.0, pairs = 0.0;
  for (size_t i = 0; i < logits.size(); ++i)
    for (size_t j = 0; j < logits.size(); ++j) {
      if (labels[i] != 1.0f || labels[j] != 0.0f) continue;
      won += logits[i] > logits[j] ? 1.0 : logits[i] == logits[j] ? 0.5 : 0.0;
      pairs += 1.0;
    }
  return won / pairs;
}

TEST(CtrMetrics, AucCountsPairs) {
  std::mt19937 random(5);
  for (const int distinct : {1, 2, 7, 100, 1'000'000})
    for (const int rows : {2, 3, 50, 700}) {
      std::vector<float> logits, labels;
      for (int i = 0; i < rows; ++i) {
        logits.push_back((static_cast<float>(random() % distinct) - 0.5f * distinct) * 0.01f);
        labels.push_back(i == 0 ? 1.0f : i == 1 ? 0.0f : static_cast<float>(random() % 4 == 0));
      }
      CtrMetrics metrics;
      metrics.add(logits, labels);
      // Sums of halves are exact in double: only the division rounds.
      EXPECT_DOUBLE_EQ(*metrics.auc(), pairs_won(logits, labels)) << distinct << " " << rows;
    }
}

TEST(CtrMetrics, ExtremeLogits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CtrMetrics metrics;
  const std::vector<float> logits = {-kInfinity, -1e-40f, -0.0f, 0.0f, 1e30f, 3.0f};
  const std::vector<float> labels = {0, 0, 1, 0, 1, 1};
  metrics.add(logits, labels);
  EXPECT_DOUBLE_EQ(*metrics.auc(), (2.5 + 3 + 3) / 9) << "-0 ties 0";
  EXPECT_THROW(metrics.add(std::vector<float>{NAN}, std::vector<float>{1}), Error);
  EXPECT_THROW(metrics.add(std::vector<float>{1}, std::vector<float>{0.5}), Error);
}

TEST(CtrMetrics, Logloss) {
  CtrMetrics metrics;
  const std::vector<float> logits = {2.0f, -1.0f, 0.5f, -200.0f}, labels = {1, 0, 0, 1};
  metrics.add(logits, labels);
  const double expected =
      (-std::log(1 / (1 + std::exp(-2.0))) - std::log(1 - 1 / (1 + std::exp(1.0))) -
       std::log(1 - 1 / (1 + std::exp(-0.5))) + 200.0) /
      4;
  EXPECT_NEAR(*metrics.logloss(), expected, 1e-14);
}

TEST(CtrMetrics, PiecesAndRanksAreOne) {
  std::mt19937 random(6);
  std::vector<float> logits(1000), labels(1000);
  for (size_t i = 0; i < 1000; ++i) {
    logits[i] = static_cast<float>(random() % 50);
    labels[i] = static_cast<float>(random() % 2);
  }
  CtrMetrics whole, left, right;
  whole.add(logits, labels);
  const auto piece = [&](size_t first, size_t count, CtrMetrics& to) {
    to.add(std::span(logits).subspan(first, count), std::span(labels).subspan(first, count));
  };
  piece(0, 300, left);
  piece(300, 1, left);
  piece(301, 699, right);
  left.join(right);
  EXPECT_EQ(left.rows(), 1000);
  EXPECT_EQ(left.positives(), whole.positives());
  EXPECT_EQ(*left.auc(), *whole.auc());
  EXPECT_NEAR(*left.logloss(), *whole.logloss(), 1e-12);
}

TEST(CtrMetrics, WithoutBothKindsThereIsNoAuc) {
  CtrMetrics metrics;
  EXPECT_FALSE(metrics.auc());
  EXPECT_FALSE(metrics.logloss());
  metrics.add(std::vector<float>{1, 2}, std::vector<float>{1, 1});
  EXPECT_FALSE(metrics.auc());
  EXPECT_TRUE(metrics.json()["auc"].is_null());
  EXPECT_EQ(metrics.json()["positives"], 2);
}

}  // namespace
}  // namespace mgqe

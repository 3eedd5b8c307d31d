// Synthetic relevance: same for any thread count, skewed, sparse, with structure over known noise.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/base/parallel.hpp"
#include "host/data/interactions/unique_pairs.hpp"
#include "host/data/relevance/relevance_source.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

DataConfig small_config() {
  DataConfig config;
  config.name = "relevance-synthetic";
  config.synthetic_pair_items = 2000;
  config.synthetic_pairs = 100'000;
  config.synthetic_seed = 5;
  return config;
}

TEST(RelevanceSynthetic, AnyThreadCountGivesTheSame) {
  const int threads = thread_count();
  set_thread_count(1);
  const RelevanceDataset one = load_relevance(small_config(), cpu());
  set_thread_count(5);
  const RelevanceDataset five = load_relevance(small_config(), cpu());
  set_thread_count(threads);
  EXPECT_EQ(one.fingerprint, five.fingerprint);
  EXPECT_EQ(one.train.score, five.train.score);
  EXPECT_EQ(one.noise_floor, five.noise_floor);
  DataConfig other = small_config();
  other.synthetic_seed = 6;
  EXPECT_NE(load_relevance(other, cpu()).fingerprint, one.fingerprint);
}

TEST(RelevanceSynthetic, DefaultsAreThePapersScale) {
  const DataConfig config;
  const auto pairs = static_cast<double>(config.synthetic_pairs);
  const auto items = static_cast<double>(config.synthetic_pair_items);
  EXPECT_EQ(config.synthetic_pairs, 17'000'000);
  EXPECT_EQ(config.synthetic_pair_items, 290'000);
  EXPECT_NEAR(pairs / (items * (items - 1) / 2), 4e-4, 1e-5);
}

TEST(RelevanceSynthetic, PairsAreDistinctAndScoresIntegers) {
  const RelevanceSource source = generate_relevance(small_config());
  ASSERT_EQ(source.pairs.size(), 100'000);
  EXPECT_EQ(source.item_ids.size(), 2000);
  std::vector<uint64_t> keys;
  int64_t rising = 0;
  for (int64_t p = 0; p < source.pairs.size(); ++p) {
    const int32_t left = source.pairs.left[p], right = source.pairs.right[p];
    ASSERT_NE(left, right);
    ASSERT_GE(std::min(left, right), 0);
    ASSERT_LT(std::max(left, right), 2000);
    keys.push_back(pair_key(left, right));
    rising += left < right;
    const float score = source.pairs.score[p];
    ASSERT_EQ(score, std::round(score));
    ASSERT_LE(std::abs(score), 100.0f);
    ASSERT_LE(std::abs(source.noiseless[p]), 80.0f);
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
  EXPECT_NEAR(static_cast<double>(rising), 50'000, 5 * std::sqrt(25'000.0));
}

TEST(RelevanceSynthetic, PopularityFollowsAPowerLaw) {
  DataConfig config = small_config();
  config.synthetic_pair_items = 50'000;
  config.synthetic_pairs = 300'000;
  const RelevanceDataset data = load_relevance(config, cpu());
  EXPECT_EQ(data.items, 50'000);
  std::vector<int64_t> counts(data.items);
  for (const auto* side : {&data.train.left, &data.train.right})
    for (const int32_t item : *side) ++counts[item];
  ASSERT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
  const double total = static_cast<double>(2 * data.train.size());
  const auto share = [&](double fraction) {
    const auto head = static_cast<int64_t>(fraction * 50'000);
    return static_cast<double>(std::accumulate(counts.begin(), counts.begin() + head, int64_t{0})) /
           total;
  };
  // The places' share grows as f^(1/4); head pairs that are taken flatten it a little.
  EXPECT_NEAR(share(0.1), std::pow(0.1, 0.25), 0.06);
  EXPECT_GT(share(0.01), 0.2);
  EXPECT_LT(share(0.01), std::pow(0.01, 0.25));
}

TEST(RelevanceSynthetic, NoiseIsAsPlantedAndStructureIsThere) {
  const RelevanceSource source = generate_relevance(small_config());
  const auto count = static_cast<double>(source.pairs.size());
  double sum = 0.0, squares = 0.0;
  for (int64_t p = 0; p < source.pairs.size(); ++p) {
    const double noise = source.pairs.score[p] - static_cast<double>(source.noiseless[p]);
    sum += noise;
    squares += noise * noise;
  }
  // Normal noise of 10 and rounding's 1/12; five standard errors and what clamping takes.
  const double planted = std::sqrt(100.0 + 1.0 / 12.0);
  EXPECT_NEAR(sum / count, 0.0, 5 * planted / std::sqrt(count) + 0.01);
  EXPECT_NEAR(std::sqrt(squares / count), planted, 5 * planted / std::sqrt(2 * count) + 0.02);

  const RelevanceDataset data = load_relevance(small_config(), cpu());
  const RelevanceBaselines baselines = relevance_baselines(data);
  ASSERT_TRUE(baselines.noise_floor.has_value());
  const auto tests = static_cast<double>(data.test.size());
  EXPECT_NEAR(*baselines.noise_floor, planted, 5 * planted / std::sqrt(2 * tests) + 0.02);
  // Room for both parts: biases take a good part of the spread and leave one over the noise.
  EXPECT_LT(baselines.bias, 0.85 * baselines.mean);
  EXPECT_GT(baselines.bias, 1.5 * *baselines.noise_floor);
}

TEST(RelevanceSynthetic, DensestAndSmallest) {
  DataConfig config = small_config();
  config.synthetic_pair_items = 32;
  config.synthetic_pairs = 124;  // a quarter of 496
  EXPECT_EQ(generate_relevance(config).pairs.size(), 124);
  config.synthetic_pair_items = 600;
  config.synthetic_pairs = 600 * 599 / 8;
  EXPECT_EQ(generate_relevance(config).pairs.size(), 600 * 599 / 8);
}

TEST(RelevanceSynthetic, RefusesWhatItCannotMake) {
  DataConfig config = small_config();
  config.synthetic_pair_items = 8;
  EXPECT_EQ(refusal([&] { load_relevance(config, cpu()); }),
            "--synthetic-pair-items 8 is out of range: 32 to 10000000");
  config = small_config();
  config.synthetic_pairs = 99;
  EXPECT_EQ(refusal([&] { load_relevance(config, cpu()); }),
            "--synthetic-pairs 99 is out of range: 100 to 200000000");
  config.synthetic_pair_items = 32;
  config.synthetic_pairs = 125;
  EXPECT_EQ(refusal([&] { load_relevance(config, cpu()); }),
            "--synthetic-pairs 125 is over a quarter of all pairs of 32 items: give at most 124, "
            "or more --synthetic-pair-items");
}

TEST(UniquePairs, CountsAndGivesUp) {
  const auto draw = [](int64_t k) {
    return k % 3 == 0 ? kNoPair : pair_key(static_cast<int32_t>(k % 7), 100);
  };
  EXPECT_EQ(draw_unique_pairs(7, 1000, draw).size(), 7u);
  EXPECT_EQ(draw_unique_pairs(50, 1000, draw).size(), 7u);
  EXPECT_TRUE(draw_unique_pairs(0, 1000, draw).empty());
  EXPECT_TRUE(draw_unique_pairs(5, 1, draw).empty());  // draw 0 makes none
  EXPECT_EQ(pair_key(9, 4), pair_key(4, 9));
  EXPECT_EQ(pair_low(pair_key(9, 4)), 4);
  EXPECT_EQ(pair_high(pair_key(9, 4)), 9);
}

}  // namespace
}  // namespace mgqe

// The synthetic data set: same for any thread count, skewed, and learnable in both planted ways.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "host/base/parallel.hpp"
#include "host/data/interactions/actions.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

DataConfig small_config() {
  DataConfig config;
  config.name = "synthetic";
  config.synthetic_users = 2000;
  config.synthetic_items = 1500;
  config.synthetic_actions = 60;
  config.synthetic_seed = 3;
  return config;
}

TEST(Synthetic, AnyThreadCountGivesTheSame) {
  const int threads = thread_count();
  set_thread_count(1);
  const Dataset one = load_dataset(small_config(), cpu());
  set_thread_count(5);
  const Dataset five = load_dataset(small_config(), cpu());
  set_thread_count(threads);
  EXPECT_EQ(one.sequence_items, five.sequence_items);
  EXPECT_EQ(one.item_ids.integers, five.item_ids.integers);
  EXPECT_EQ(one.test_item, five.test_item);
  EXPECT_EQ(one.fingerprint, five.fingerprint);
}

TEST(Synthetic, SeedsDiffer) {
  DataConfig config = small_config();
  const uint64_t first = load_dataset(config, cpu()).fingerprint;
  config.synthetic_seed = 4;
  EXPECT_NE(load_dataset(config, cpu()).fingerprint, first);
}

TEST(Synthetic, HasTheSizesAskedForAndNoRepeats) {
  const DataConfig config = small_config();
  const Dataset data = load_dataset(config, cpu());
  EXPECT_EQ(data.name, "synthetic");
  EXPECT_EQ(data.users, config.synthetic_users);
  EXPECT_EQ(data.items, config.synthetic_items);
  EXPECT_EQ(data.short_users, 0);
  // The mean of 4 u^3 is 1 and its standard deviation 1.13: six standard errors.
  const double mean = static_cast<double>(data.actions) / static_cast<double>(data.users);
  EXPECT_NEAR(mean, 60.0, 6 * 1.13 * 60.0 / std::sqrt(2000.0));
  EXPECT_EQ(data.train_items.size(), data.sequence_items.size());
  for (int64_t user = 0; user < data.users; ++user) {
    const std::vector<int32_t> seen = history(data, user);
    for (const int32_t held : {data.valid_item[user], data.test_item[user]})
      EXPECT_FALSE(std::binary_search(seen.begin(), seen.end(), held));
    EXPECT_NE(data.valid_item[user], data.test_item[user]);
  }
}

TEST(Synthetic, PopularityFollowsAPowerLaw) {
  DataConfig config = small_config();
  config.synthetic_users = 200'000;
  config.synthetic_items = 20'000;
  config.synthetic_actions = 10;
  const Dataset data = load_dataset(config, cpu());
  std::vector<int64_t> counts(data.items);
  for (const int32_t item : data.sequence_items) ++counts[item];
  ASSERT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
  const auto share = [&](double fraction) {
    const auto head = static_cast<int64_t>(fraction * static_cast<double>(data.items));
    return static_cast<double>(std::accumulate(counts.begin(), counts.begin() + head, int64_t{0})) /
           static_cast<double>(data.sequence_items.size());
  };
  // Below the head, which flattens as users take its items once, share(f) grows as f^(1/4).
  const auto expected = [](double fraction) { return std::pow(fraction, 0.25); };
  EXPECT_NEAR((share(0.1) - share(0.02)) / (share(0.5) - share(0.1)),
              (expected(0.1) - expected(0.02)) / (expected(0.5) - expected(0.1)), 0.1);
  EXPECT_GT(share(0.01), 0.2);
  EXPECT_LT(share(0.01), expected(0.01));
}

/// HR@10 over all items outside the history, by score; ties by popularity.
double hit_rate(const Dataset& data,
                const std::function<void(int64_t user, std::vector<double>&)>& score) {
  int64_t hits = 0;
  std::vector<double> scores(data.items);
  for (int64_t user = 0; user < data.users; ++user) {
    // Ids are popularity ranks: this is the popularity recommender and everyone's tie-break.
    for (int64_t item = 0; item < data.items; ++item) scores[item] = -1e-9 * item;
    score(user, scores);
    for (const int32_t item : history(data, user)) scores[item] = -1e9;
    scores[data.valid_item[user]] = -1e9;
    const double positive = scores[data.test_item[user]];
    hits += std::count_if(scores.begin(), scores.end(),
                          [&](double other) { return other > positive; }) < 10;
  }
  return static_cast<double>(hits) / static_cast<double>(data.users);
}

TEST(Synthetic, TasteAndOrderCanBeLearned) {
  const Dataset data = load_dataset(small_config(), cpu());
  const double by_popularity = hit_rate(data, [](int64_t, std::vector<double>&) {});

  // Neighbours: cosine of co-occurrence, summed over the user's history. It sees no order.
  const int64_t n = data.items;
  std::vector<double> together(n * n);
  for (int64_t user = 0; user < data.users; ++user)
    for (const int32_t a : history(data, user))
      for (const int32_t b : history(data, user)) together[a * n + b] += 1.0;
  const auto cosine = [&](int64_t a, int64_t b) {
    const double norm = std::sqrt(together[a * n + a] * together[b * n + b]);
    return norm == 0.0 ? 0.0 : together[a * n + b] / norm;
  };
  const double by_neighbours = hit_rate(data, [&](int64_t user, std::vector<double>& scores) {
    for (const int32_t seen : history(data, user))
      for (int64_t item = 0; item < n; ++item) scores[item] += cosine(seen, item);
  });

  // First-order Markov chain from the validation item.
  std::vector<double> follows(n * n);
  for (int64_t user = 0; user < data.users; ++user) {
    std::vector<int32_t> items = sequence(data, user);
    items.push_back(data.valid_item[user]);
    for (size_t i = 1; i < items.size(); ++i) follows[items[i - 1] * n + items[i]] += 1.0;
  }
  const double by_order = hit_rate(data, [&](int64_t user, std::vector<double>& scores) {
    for (int64_t item = 0; item < n; ++item)
      scores[item] += follows[data.valid_item[user] * n + item];
  });

  RecordProperty("popularity", std::to_string(by_popularity));
  RecordProperty("neighbours", std::to_string(by_neighbours));
  RecordProperty("markov", std::to_string(by_order));
  EXPECT_GT(by_neighbours, 1.5 * by_popularity);
  EXPECT_GT(by_order, 3.0 * by_popularity);
}

TEST(Synthetic, SmallestCatalogueAndLongUsers) {
  DataConfig config = small_config();
  config.synthetic_items = 16;
  config.synthetic_actions = 1000;  // far over the 8 actions that 16 items allow
  const Dataset data = load_dataset(config, cpu());
  EXPECT_EQ(data.items, 16);
  for (int64_t user = 0; user < data.users; ++user) EXPECT_LE(history(data, user).size(), 6u);
}

TEST(Synthetic, TenMillionItems) {
  DataConfig config = small_config();
  config.synthetic_items = 10'000'000;
  const Actions actions = generate_synthetic(config);
  EXPECT_EQ(actions.item_ids.size(), 10'000'000);
  const auto [low, high] = std::minmax_element(actions.items.begin(), actions.items.end());
  EXPECT_GE(*low, 0);
  EXPECT_LT(*high, 10'000'000);
  EXPECT_GT(*high, 9'900'000);  // original ids say nothing of popularity
}

TEST(Synthetic, RefusesWhatItCannotMake) {
  DataConfig config = small_config();
  config.synthetic_items = 8;
  EXPECT_EQ(refusal([&] { load_dataset(config, cpu()); }),
            "--synthetic-items 8 is out of range: 16 to 100000000");
  config = small_config();
  config.synthetic_actions = 2;
  EXPECT_EQ(refusal([&] { load_dataset(config, cpu()); }),
            "--synthetic-actions 2 is out of range: 3 to 1000000");
}

}  // namespace
}  // namespace mgqe

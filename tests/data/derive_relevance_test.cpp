// Relevance derived from interactions, against counts by naive loops.
#include "experiments/cli/derive_relevance.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "host/base/parallel.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

std::set<int32_t> items_of(const Dataset& dataset, int64_t user) {
  const std::vector<int32_t> seen = history(dataset, user);
  std::set<int32_t> items(seen.begin(), seen.end());
  for (const int32_t held : {dataset.valid_item[user], dataset.test_item[user]})
    if (held >= 0) items.insert(held);
  return items;
}

struct Counts {
  std::map<std::pair<int32_t, int32_t>, int64_t> both;  // smaller item first
  std::map<int32_t, int64_t> owners;
};

Counts count(const Dataset& dataset) {
  Counts counts;
  for (int64_t user = 0; user < dataset.users; ++user) {
    const std::set<int32_t> items = items_of(dataset, user);
    for (const int32_t a : items) {
      ++counts.owners[a];
      for (const int32_t b : items)
        if (a < b) ++counts.both[{a, b}];
    }
  }
  return counts;
}

std::pair<int32_t, int32_t> pair_of(const ScoredPairs& pairs, int64_t p) {
  return std::minmax({pairs.left[p], pairs.right[p]});
}

/// Users with some of `items` items each, popular ones more often.
std::string random_log(int users, int items) {
  std::mt19937 random(3);
  std::string text;
  for (int user = 1; user <= users; ++user)
    for (int i = 0; i < 12; ++i) {
      const double u = static_cast<double>(random()) / 4294967296.0;
      text +=
          std::to_string(user) + " " + std::to_string(1 + static_cast<int>(u * u * items)) + "\n";
    }
  return text;
}

TEST(DeriveRelevance, ScoreByHand) {
  EXPECT_EQ(derived_score(1, 1, 1, 1), 0);        // as often as expected: ln 1
  EXPECT_EQ(derived_score(0, 10, 10, 100), -43);  // ln(1 / 2) / 1.5 = -0.4621, tanh -0.4318
  EXPECT_EQ(derived_score(3, 4, 5, 20), 43);      // e = 1: ln(4 / 2) / 1.5
  EXPECT_EQ(derived_score(9, 10, 10, 100), 79);   // ln(10 / 2) / 1.5 = 1.0730, tanh 0.7907
  EXPECT_EQ(derived_score(1'000'000, 1'000'000, 1'000'000, 2'000'000'000), 100);
  EXPECT_EQ(derived_score(0, 60'000, 60'000, 60'001), -100);
}

TEST(DeriveRelevance, FourUsersByHand) {
  // Sets {1 2 3}, {1 2 4}, {1 2 3 5}, {6 3 4}: by c, {1 2} 3, {1 3} 2, {2 3} 2; the other pairs
  // have 1 or 0. N = 4; owners 1: 3, 2: 3, 3: 3. e = 9/4.
  const TemporaryFolder folder;
  const Dataset dataset = load(
      folder.write("log", "1 1\n1 2\n1 3\n2 1\n2 2\n2 4\n3 1\n3 2\n3 3\n3 5\n4 6\n4 3\n4 4\n"));
  const auto scores = [&](int64_t pairs) {
    const ScoredPairs derived = derive_relevance(dataset, pairs, 1);
    std::map<std::string, float> named;
    for (int64_t p = 0; p < derived.size(); ++p) {
      std::string a = dataset.item_ids.name(derived.left[p]);
      std::string b = dataset.item_ids.name(derived.right[p]);
      if (a > b) std::swap(a, b);
      EXPECT_TRUE(named.emplace(a + b, derived.score[p]).second) << a << b << " twice";
    }
    return named;
  };
  // All three that two users share, and 3/7 of three by popularity.
  const std::map<std::string, float> named = scores(1000);
  EXPECT_EQ(named.size(), 4u);
  EXPECT_EQ(named.at("12"), 14.0f);  // ln(4 / 3.25) / 1.5 = 0.1384
  EXPECT_EQ(named.at("13"), -5.0f);  // ln(3 / 3.25) / 1.5 = -0.0534
  EXPECT_EQ(named.at("23"), -5.0f);
  EXPECT_EQ(scores(4).size(), 4u);
  EXPECT_EQ(scores(1).size(), 1u);
  EXPECT_TRUE(scores(0).empty());
}

class DeriveFromLog : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  Dataset dataset_ = load(folder_.write("log", random_log(300, 150)));
  Counts counts_ = count(dataset_);
};

TEST_F(DeriveFromLog, ScoresAreOfTheExactCounts) {
  const ScoredPairs pairs = derive_relevance(dataset_, 2000, 7);
  ASSERT_EQ(pairs.size(), 2000);
  std::set<std::pair<int32_t, int32_t>> distinct;
  for (int64_t p = 0; p < pairs.size(); ++p) {
    const auto pair = pair_of(pairs, p);
    ASSERT_NE(pair.first, pair.second);
    distinct.insert(pair);
    const auto found = counts_.both.find(pair);
    const double c = found == counts_.both.end() ? 0.0 : static_cast<double>(found->second);
    const double e = static_cast<double>(counts_.owners[pair.first]) *
                     static_cast<double>(counts_.owners[pair.second]) / 300.0;
    ASSERT_EQ(pairs.score[p], std::round(100.0 * std::tanh(std::log((c + 1) / (e + 1)) / 1.5)));
  }
  EXPECT_EQ(distinct.size(), 2000u);
}

TEST_F(DeriveFromLog, SharesOfTheRecipe) {
  std::set<std::pair<int32_t, int32_t>> co_owned;
  for (const auto& [pair, both] : counts_.both)
    if (both >= 2) co_owned.insert(pair);
  const ScoredPairs pairs = derive_relevance(dataset_, 1000, 7);
  int64_t shared = 0, left_is_smaller = 0;
  for (int64_t p = 0; p < pairs.size(); ++p) {
    shared += static_cast<int64_t>(co_owned.count(pair_of(pairs, p)));
    left_is_smaller += pairs.left[p] < pairs.right[p];
  }
  // 700 by choice, and popular pairs are often shared as well; not all of them are.
  EXPECT_GE(shared, 700);
  EXPECT_LT(shared, 990);
  EXPECT_NEAR(static_cast<double>(left_is_smaller), 500, 5 * std::sqrt(250.0));
}

TEST_F(DeriveFromLog, CoOwnedPairsAreChosenUniformly) {
  // Pairs of many users are no more likely than pairs of two: the mean count of 100 choices of one
  // pair (70% of one is rounded up, so none comes by popularity) is that of all co-owned pairs,
  // within five standard errors. Chosen by users, it would be over a standard deviation higher.
  double all = 0.0, squares = 0.0, n = 0.0;
  for (const auto& entry : counts_.both) {
    const auto both = static_cast<double>(entry.second);
    if (both < 2.0) continue;
    all += both;
    squares += both * both;
    n += 1.0;
  }
  const double mean = all / n, stddev = std::sqrt(squares / n - mean * mean);
  constexpr int kChoices = 100;
  double sum = 0.0;
  for (uint64_t seed = 1; seed <= kChoices; ++seed) {
    const ScoredPairs one = derive_relevance(dataset_, 1, seed);
    ASSERT_EQ(one.size(), 1);
    sum += static_cast<double>(counts_.both.at(pair_of(one, 0)));
  }
  EXPECT_NEAR(sum / kChoices, mean, 5 * stddev / std::sqrt(kChoices));
  EXPECT_GT(squares / all, mean + 5 * stddev / std::sqrt(kChoices));  // the test can tell
}

TEST_F(DeriveFromLog, AsManyAsThereAre) {
  int64_t co_owned = 0;
  for (const auto& [pair, both] : counts_.both) co_owned += both >= 2;
  const ScoredPairs pairs = derive_relevance(dataset_, 1'000'000, 7);
  EXPECT_LE(pairs.size(), co_owned + std::llround(static_cast<double>(co_owned) * 3 / 7));
  EXPECT_GT(pairs.size(), co_owned);
  std::set<std::pair<int32_t, int32_t>> derived;
  for (int64_t p = 0; p < pairs.size(); ++p) derived.insert(pair_of(pairs, p));
  for (const auto& [pair, both] : counts_.both) {
    if (both >= 2) {
      EXPECT_EQ(derived.count(pair), 1u);
    }
  }
}

TEST_F(DeriveFromLog, SeedAloneDecides) {
  const auto derived = [&](uint64_t seed, int threads) {
    const int before = thread_count();
    set_thread_count(threads);
    const ScoredPairs pairs = derive_relevance(dataset_, 500, seed);
    set_thread_count(before);
    return std::tuple(pairs.left, pairs.right, pairs.score);
  };
  EXPECT_EQ(derived(7, 1), derived(7, 5));
  EXPECT_NE(derived(7, 1), derived(8, 1));
}

TEST_F(DeriveFromLog, FileIsReadBackWithOriginalIds) {
  const ScoredPairs pairs = derive_relevance(dataset_, 1000, 7);
  const std::string text = relevance_text(dataset_, pairs, 7);
  EXPECT_TRUE(text.starts_with("# item, item, relevance: derived from ")) << text.substr(0, 80);
  DataConfig config;
  config.name = folder_.write("relevance.tsv", text);
  const RelevanceDataset back = load_relevance(config, cpu());
  std::map<std::pair<std::string, std::string>, float> written;
  for (int64_t p = 0; p < pairs.size(); ++p)
    written[{dataset_.item_ids.name(pairs.left[p]), dataset_.item_ids.name(pairs.right[p])}] =
        pairs.score[p];
  int64_t read = 0;
  for (const ScoredPairs* part : {&back.train, &back.valid, &back.test})
    for (int64_t p = 0; p < part->size(); ++p, ++read)
      EXPECT_EQ(written.at({back.item_ids.name(part->left[p]), back.item_ids.name(part->right[p])}),
                part->score[p]);
  EXPECT_EQ(read, 1000);
}

TEST(DeriveRelevanceCommand, WritesAndRefuses) {
  const TemporaryFolder folder;
  const auto run = [](const std::vector<std::string>& words) {
    CLI::App app;
    const DeriveRelevanceCommand command(app);
    std::vector<const char*> arguments = {"mgqe", "derive-relevance"};
    for (const std::string& word : words) arguments.push_back(word.c_str());
    app.parse(static_cast<int>(arguments.size()), arguments.data());
    EXPECT_TRUE(command.given());
    command.run();
  };
  const std::string log = folder.write("log", random_log(300, 150)), out = folder.path("out.tsv");
  run({"--data", log, "--out", out, "--pairs", "500", "--seed", "3"});
  DataConfig config;
  config.name = out;
  EXPECT_EQ(load_relevance(config, cpu()).train.size(), 405);
  EXPECT_EQ(refusal([&] {
              run({"--data", log, "--out", out, "--pairs", "99"});
            }),
            "--pairs 99 is out of range: 100 to 200000000");
  const std::string few = folder.write("few", "1 1\n1 2\n1 3\n2 1\n2 2\n2 4\n");
  EXPECT_EQ(refusal([&] {
              run({"--data", few, "--out", out});
            }),
            "--data " + few +
                " gives 1 pairs to score: relevance needs 100 or more; give more "
                "interactions");
  DataIds ids;
  ids.strings = {"a b", "#a", "a\tb"};
  EXPECT_EQ(relevance_field(ids, 0), "a b");
  for (const int32_t item : {1, 2})
    EXPECT_NE(refusal([&] { relevance_field(ids, item); }).find("cannot stand"), std::string::npos);
}

}  // namespace
}  // namespace mgqe

// What a figure is a figure of: both splits and both protocols of ranking, head and tail,
// candidates and exclusions, against loops over every user and item; relevance against its own
// pairs; and a run whose best epoch is not its last, judged again from the files it left.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include "host/base/check.hpp"
#include "host/train/trainer.hpp"
#include "host/train/user_hits.hpp"
#include "models/backbones/relevance_model.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int kUsers = 60, kItems = 47, kDim = 3;
constexpr int kHeadItems = 5;  // ceil(10% of 47)

HostArray floats(const std::vector<float>& values, std::vector<int64_t> shape) {
  return {values, std::move(shape)};
}

/// A full table of small whole numbers: sums of products are exact, and scores tie often.
PackedTable whole_numbers(Random& random, int64_t rows) {
  PackedTable table;
  table.scheme = "full";
  table.rows = rows;
  table.dim = kDim;
  std::vector<float> values;
  for (const int value : random.integers<int>(rows * kDim, -2, 2))
    values.push_back(static_cast<float>(value));
  table.arrays.emplace("table", floats(values, {rows, kDim}));
  return table;
}

const std::vector<float> kWeights = {1.0f, 2.0f, -1.0f, 0.5f};  // the bias last

PackedModel packed_gmf() {
  Random random(7);
  PackedModel model;
  model.backbone = "gmf";
  model.task = "ranking";
  model.tables.emplace("user", whole_numbers(random, kUsers));
  model.tables.emplace("item", whole_numbers(random, kItems));
  model.dense.emplace("gmf.weights", floats(kWeights, {kDim + 1}));
  return model;
}

/// Histories of 2 to 9 items, a validation and a test item each; some users lack one of the two,
/// and some had used the item before.
Dataset random_dataset() {
  Random random(3);
  Dataset data;
  data.name = "random";
  data.users = kUsers;
  data.items = kItems;
  data.train_offsets = data.sequence_offsets = {0};
  for (int user = 0; user < kUsers; ++user) {
    std::set<int32_t> history;
    const int length = random.integers<int>(1, 2, 9)[0];
    while (static_cast<int>(history.size()) < length)
      history.insert(random.integers<int32_t>(1, 0, kItems - 1)[0]);
    int32_t valid = 0, test = 0;
    do valid = random.integers<int32_t>(1, 0, kItems - 1)[0];
    while (user % 6 != 1 && history.contains(valid));
    do test = random.integers<int32_t>(1, 0, kItems - 1)[0];
    while (test == valid || (user % 6 != 2 && history.contains(test)));
    if (user % 10 == 3) valid = -1;
    if (user % 10 == 4) test = -1;
    data.train_items.insert(data.train_items.end(), history.begin(), history.end());
    data.train_offsets.push_back(static_cast<int64_t>(data.train_items.size()));
    data.valid_item.push_back(valid);
    data.test_item.push_back(test);
  }
  data.sequence_items = data.train_items;
  data.sequence_offsets = data.train_offsets;
  return data;
}

std::set<int32_t> history_of(const Dataset& data, int user) {
  return {data.train_items.begin() + data.train_offsets[user],
          data.train_items.begin() + data.train_offsets[user + 1]};
}

double score(const PackedModel& model, int user, int item) {
  const auto users = model.tables.at("user").arrays.at("table").as<float>();
  const auto items = model.tables.at("item").arrays.at("table").as<float>();
  double sum = kWeights[kDim];
  for (int c = 0; c < kDim; ++c)
    sum += static_cast<double>(kWeights[c]) * users[user * kDim + c] * items[item * kDim + c];
  return sum;
}

/// Means over users of the expected HR@10 and NDCG@10 where ties are broken at random.
struct Means {
  double hr = 0.0, ndcg = 0.0;
  int users = 0;

  void add(int better, int tied) {
    users += 1;
    for (int place = better; place <= better + tied; ++place) {
      if (place >= 10) continue;
      hr += 1.0 / (tied + 1);
      ndcg += 1.0 / (tied + 1) / std::log2(place + 2.0);
    }
  }
  void expect(const nlohmann::ordered_json& json, const std::string& where) const {
    ASSERT_EQ(json.at("users").get<int>(), users) << where;
    if (users == 0) {
      EXPECT_TRUE(json.at("hr@10").is_null() && json.at("ndcg@10").is_null()) << where;
      return;
    }
    EXPECT_NEAR(json.at("hr@10").get<double>(), hr / users, 1e-12) << where;
    EXPECT_NEAR(json.at("ndcg@10").get<double>(), ndcg / users, 1e-12) << where;
  }
};

/// candidates(user) -> the items that the user's held-out one is ranked against. Returns the
/// expected hit of each user who has one.
template <class Candidates>
std::vector<double> expect_ranking(const nlohmann::ordered_json& json, const PackedModel& model,
                                   const std::vector<int32_t>& held_out,
                                   const Candidates& candidates, const std::string& where) {
  Means all, head, tail;
  std::vector<double> hits;
  for (int user = 0; user < kUsers; ++user) {
    const int32_t positive = held_out[user];
    if (positive < 0) continue;
    int better = 0, tied = 0;
    for (const int32_t item : candidates(user)) {
      if (item == positive) continue;
      better += score(model, user, item) > score(model, user, positive);
      tied += score(model, user, item) == score(model, user, positive);
    }
    const double before = all.hr;
    all.add(better, tied);
    hits.push_back(all.hr - before);
    (positive < kHeadItems ? head : tail).add(better, tied);
  }
  EXPECT_GT(head.users, 0) << where;
  all.expect(json, where);
  head.expect(json.at("head"), where + ", head");
  tail.expect(json.at("tail"), where + ", tail");
  return hits;
}

class Evaluations : public OnEveryBackend {
 protected:
  nlohmann::ordered_json evaluate(const Dataset& data, Split split, int candidates,
                                  uint64_t seed = 1) {
    Config config;
    config.run.candidates = candidates;
    config.run.seed = seed;
    const auto result = make_ranking_task(backend(), data, config)->evaluate(packed_gmf(), split);
    // What the best epoch is chosen by.
    EXPECT_EQ(result.score, split == Split::kValid ? result.json.at("full").at("ndcg@10")
                                                   : result.json.at("sampled").at("hr@10"));
    hits_ = result.hits;
    return result.json;
  }

  std::vector<double> hits_;  // of the last evaluation
};

TEST_P(Evaluations, TheFullProtocolLeavesOutWhatTheUserHadSeenByThen) {
  const Dataset data = random_dataset();
  const PackedModel model = packed_gmf();
  for (const Split split : {Split::kValid, Split::kTest}) {
    const bool test = split == Split::kTest;
    const auto json = evaluate(data, split, 5);
    const std::vector<double> hits = expect_ranking(
        json.at("full"), model, test ? data.test_item : data.valid_item,
        [&](int user) {
          std::set<int32_t> seen = history_of(data, user);
          if (test && data.valid_item[user] >= 0) seen.insert(data.valid_item[user]);
          std::vector<int32_t> items;
          for (int32_t item = 0; item < kItems; ++item)
            if (!seen.contains(item)) items.push_back(item);
          return items;
        },
        test ? "test" : "valid");
    ASSERT_EQ(hits_.size(), hits.size());
    for (size_t user = 0; user < hits.size(); ++user)
      EXPECT_NEAR(hits_[user], hits[user], 1e-12) << user;
    EXPECT_EQ(hits_of_json(hits_to_json(hits_)), hits_);
  }
}

/// The data with every item but the two held out in the history of the user.
Dataset with_full_history(const Dataset& data, int user) {
  Dataset full = data;
  full.train_offsets = {0};
  full.train_items.clear();
  for (int other = 0; other < kUsers; ++other) {
    const std::set<int32_t> history = history_of(data, other);
    for (int32_t item = 0; item < kItems; ++item) {
      const bool held = item == data.valid_item[other] || item == data.test_item[other];
      if (other == user ? !held : history.contains(item)) full.train_items.push_back(item);
    }
    full.train_offsets.push_back(static_cast<int64_t>(full.train_items.size()));
  }
  full.sequence_items = full.train_items;
  full.sequence_offsets = full.train_offsets;
  return full;
}

TEST_P(Evaluations, NoFigureCountsAUserWithNothingToBeRankedAgainst) {
  constexpr int kFull = 0;  // has both held-out items
  const Dataset data = with_full_history(random_dataset(), kFull);
  ASSERT_GE(data.valid_item[kFull], 0);
  ASSERT_GE(data.test_item[kFull], 0);
  EXPECT_EQ(competitors(data, Split::kTest, kFull), 0);
  EXPECT_EQ(competitors(data, Split::kValid, kFull), 1);  // the test item
  const auto users_of = [](const std::vector<int32_t>& held_out) {
    return std::count_if(held_out.begin(), held_out.end(), [](int32_t item) { return item >= 0; });
  };
  const auto test = evaluate(data, Split::kTest, 5);
  const std::vector<double> hits = hits_;
  const auto valid = evaluate(data, Split::kValid, 5);
  EXPECT_EQ(test.at("full").at("users"), hits.size());
  EXPECT_NEAR(test.at("full").at("hr@10").get<double>(),
              std::accumulate(hits.begin(), hits.end(), 0.0) / static_cast<double>(hits.size()),
              1e-12);
  EXPECT_EQ(test.at("full").at("users"), users_of(data.test_item) - 1);
  EXPECT_EQ(test.at("sampled").at("users"), users_of(data.test_item) - 1);
  EXPECT_EQ(valid.at("full").at("users"), users_of(data.valid_item));
  EXPECT_EQ(valid.at("sampled").at("users"), users_of(data.valid_item) - 1);
}

TEST(Competitors, AreWhatTheUserNeverTouched) {
  Dataset data = random_dataset();
  for (int user = 0; user < kUsers; user += 5)  // the same item held out twice
    data.test_item[user] = data.valid_item[user];
  int same = 0;
  for (int user = 0; user < kUsers; ++user) {
    std::set<int32_t> touched = history_of(data, user);
    if (data.valid_item[user] >= 0) touched.insert(data.valid_item[user]);
    same += data.test_item[user] == data.valid_item[user] && data.test_item[user] >= 0 &&
            !history_of(data, user).contains(data.test_item[user]);
    EXPECT_EQ(competitors(data, Split::kValid, user), kItems - std::ssize(touched)) << user;
    if (data.test_item[user] >= 0) touched.insert(data.test_item[user]);
    EXPECT_EQ(competitors(data, Split::kTest, user), kItems - std::ssize(touched)) << user;
  }
  EXPECT_GT(same, 0) << "a new item that is both";
}

TEST(UserHits, AreABitEachAndWhatTiesLeaveOpen) {
  const auto json = hits_to_json({1.0, 0.0, 0.0, 1.0, 0.0, 0.25});
  EXPECT_EQ(json.dump(), R"({"users":6,"hits":"90","partial":[[5,0.25]]})");
  EXPECT_EQ(hits_of_json(json), (std::vector<double>{1.0, 0.0, 0.0, 1.0, 0.0, 0.25}));
  for (const char* wrong :
       {R"({"users":6,"hits":"9","partial":[]})", R"({"users":4,"hits":"x","partial":[]})",
        R"({"users":4,"hits":"0","partial":[[4,0.5]]})", R"({"users":4})",
        R"({"users":-1,"hits":"","partial":[]})", R"({"users":1152921504606846976,"hits":"0"})"})
    EXPECT_THROW(hits_of_json(nlohmann::ordered_json::parse(wrong)), InputError) << wrong;
}

/// With as many candidates as there are, a draw of them is all of them: what the user never
/// touched, in training, validation or test.
TEST_P(Evaluations, SampledCandidatesAreWhatTheUserNeverTouched) {
  const Dataset data = random_dataset();
  const PackedModel model = packed_gmf();
  for (const Split split : {Split::kValid, Split::kTest})
    expect_ranking(
        evaluate(data, split, 2 * kItems).at("sampled"), model,
        split == Split::kTest ? data.test_item : data.valid_item,
        [&](int user) {
          std::set<int32_t> touched = history_of(data, user);
          touched.insert({data.valid_item[user], data.test_item[user]});
          std::vector<int32_t> items;
          for (int32_t item = 0; item < kItems; ++item)
            if (!touched.contains(item)) items.push_back(item);
          return items;
        },
        split == Split::kTest ? "test" : "valid");
}

/// Where both splits hold the same items out, and a score looks at no history, only the draw of
/// candidates tells them apart.
TEST_P(Evaluations, ValidationAndTestDrawCandidatesOfTheirOwn) {
  Dataset data = random_dataset();
  data.valid_item = data.test_item;
  const auto sampled = [&](Split split, int candidates) {
    return evaluate(data, split, candidates).at("sampled");
  };
  EXPECT_EQ(sampled(Split::kValid, 2 * kItems), sampled(Split::kTest, 2 * kItems)) << "all of them";
  EXPECT_NE(sampled(Split::kValid, 15), sampled(Split::kTest, 15));
}

TEST_P(Evaluations, NoSampledFigureCountsAUserWithoutNegativesOfItsOwn) {
  constexpr int kNone = 0;
  Dataset data = random_dataset();
  data.has_validation = false;
  data.negatives_per_user = 3;
  for (int user = 0; user < kUsers; ++user)
    for (int i = 0; i < 3; ++i)
      data.test_negatives.push_back(user == kNone ? -1 : (data.test_item[user] + 1 + i) % kItems);
  ASSERT_GE(data.test_item[kNone], 0);
  const auto json = evaluate(data, Split::kTest, 99);
  EXPECT_EQ(json.at("sampled").at("users").get<int>(), json.at("full").at("users").get<int>() - 1);
}

TEST_P(Evaluations, TheDataSetsOwnNegativesAreTheCandidates) {
  Dataset data = random_dataset();
  data.has_validation = false;
  data.negatives_per_user = 12;
  data.test_negatives = Random(5).integers<int32_t>(kUsers * 12, 0, kItems - 1);
  for (size_t i = 0; i < data.test_negatives.size(); ++i)  // some have fewer; none has the positive
    if (i % 7 == 0 || data.test_negatives[i] == data.test_item[i / 12]) data.test_negatives[i] = -1;
  expect_ranking(
      evaluate(data, Split::kTest, 99).at("sampled"), packed_gmf(), data.test_item,
      [&](int user) {
        std::vector<int32_t> items;
        for (int i = 0; i < 12; ++i)
          if (const int32_t item = data.test_negatives[user * 12 + i]; item >= 0)
            items.push_back(item);
        return items;
      },
      "own negatives");
}

/// C of m untouched items without replacement, each as likely as any other: the figure's mean over
/// seeds is that of the hypergeometric distribution. Scores are made distinct, so nothing ties.
TEST_P(Evaluations, SampledCandidatesAreDrawnUniformly) {
  constexpr int kCandidates = 20, kSeeds = 60;
  const Dataset data = random_dataset();
  PackedModel model = packed_gmf();
  auto& table = model.tables.at("item").arrays.at("table");
  std::vector<float> order(kItems * kDim, 0.0f);  // item i scores u_0 (i * 29 mod 47)
  for (int i = 0; i < kItems; ++i) order[i * kDim] = static_cast<float>(i * 29 % kItems);
  table = floats(order, {kItems, kDim});
  std::vector<float> ones(kUsers * kDim, 1.0f);
  model.tables.at("user").arrays.at("table") = floats(ones, {kUsers, kDim});

  double expected = 0.0, variance = 0.0;
  int users = 0;
  for (int user = 0; user < kUsers; ++user) {
    const int32_t positive = data.test_item[user];
    if (positive < 0) continue;
    std::set<int32_t> touched = history_of(data, user);
    touched.insert({data.valid_item[user], positive});
    int better = 0, untouched = 0;
    for (int32_t item = 0; item < kItems; ++item) {
      if (touched.contains(item)) continue;
      ++untouched;
      better += order[item * kDim] > order[positive * kDim];
    }
    const auto log_choose = [](int n, int k) {
      return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
    };
    double hit = 0.0;
    for (int drawn = 0; drawn < 10; ++drawn)
      if (drawn <= better && kCandidates - drawn <= untouched - better)
        hit += std::exp(log_choose(better, drawn) +
                        log_choose(untouched - better, kCandidates - drawn) -
                        log_choose(untouched, kCandidates));
    expected += hit;
    variance += hit * (1.0 - hit);
    ++users;
  }
  double sum = 0.0;
  std::set<double> figures;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Config config;
    config.run.candidates = kCandidates;
    config.run.seed = seed;
    const auto json =
        make_ranking_task(backend(), data, config)->evaluate(model, Split::kTest).json;
    figures.insert(json.at("sampled").at("hr@10").get<double>());
    sum += json.at("sampled").at("hr@10").get<double>();
  }
  EXPECT_GT(figures.size(), 3u);  // seeds draw anew
  EXPECT_NEAR(sum / kSeeds, expected / users, 4.0 * std::sqrt(variance / kSeeds) / users);
}

TEST_P(Evaluations, RelevanceIsJudgedOnTheSplitsOwnPairs) {
  Random random(11);
  RelevanceDataset data;
  data.name = "random";
  data.items = kItems;
  const auto fill = [&](ScoredPairs& pairs, int count) {
    for (int p = 0; p < count; ++p) {
      const auto items = random.integers<int32_t>(2, 0, kItems - 1);
      pairs.add(items[0], items[1] == items[0] ? (items[0] + 1) % kItems : items[1],
                static_cast<float>(random.integers<int>(1, -100, 100)[0]));
    }
  };
  fill(data.train, 200);
  fill(data.valid, 40);
  fill(data.test, 30);
  Random tables(7);
  PackedModel model;
  model.backbone = "gmf";
  model.task = "relevance";
  model.tables.emplace("item", whole_numbers(tables, kItems));
  model.dense.emplace("gmf.weights", floats(kWeights, {kDim + 1}));
  const std::vector<float> biases = tables.normals(kItems, 0.3f);
  constexpr float kMean = 0.25f;
  model.dense.emplace("relevance.biases", floats(biases, {kItems}));
  model.dense.emplace("relevance.mean", floats({kMean}, {1}));
  const auto items = model.tables.at("item").arrays.at("table").as<float>();

  Config config;
  config.model.task = TaskKind::kRelevance;
  const auto task = make_relevance_task(backend(), data, config);
  for (const Split split : {Split::kValid, Split::kTest}) {
    const ScoredPairs& pairs = split == Split::kValid ? data.valid : data.test;
    double squares = 0.0;
    for (int64_t p = 0; p < pairs.size(); ++p) {
      double prediction = kMean + biases[pairs.left[p]] + biases[pairs.right[p]] + kWeights[kDim];
      for (int c = 0; c < kDim; ++c)
        prediction += static_cast<double>(kWeights[c]) * items[pairs.left[p] * kDim + c] *
                      items[pairs.right[p] * kDim + c];
      squares += std::pow(100.0 * prediction - pairs.score[p], 2);
    }
    const double rmse = std::sqrt(squares / static_cast<double>(pairs.size()));
    const auto result = task->evaluate(model, split);
    EXPECT_EQ(result.json.at("pairs").get<int64_t>(), pairs.size());
    EXPECT_NEAR(result.json.at("rmse").get<double>(), rmse, 1e-5 * rmse);
    EXPECT_EQ(result.score, -result.json.at("rmse").get<double>());
  }
}

/// A run that over-fits: what it reports as validation and test is what the artifact of its best
/// epoch gives on each, and the best epoch is the one whose validation figure is best.
TEST_P(Evaluations, TheBestEpochIsChosenOnValidationAndReportedOnTest) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("mgqe_best_epoch_" + std::string(GetParam()));
  for (const bool relevance : {false, true}) {
    std::filesystem::remove_all(folder);
    Config config = small_config("full", folder.string());
    if (relevance) {
      config.model.task = TaskKind::kRelevance;
      config.data.name = "relevance-synthetic";
      config.data.synthetic_pair_items = 120;
      config.data.synthetic_pairs = 1500;
    }
    config.train.epochs = 12;
    config.train.lr = 0.03;
    Config given = config;
    const auto task = make_task(backend(), given);
    const auto result = Trainer(backend(), *task, given, "test").run();
    const int best = result.at("best_epoch").get<int>();
    ASSERT_LT(best, 12) << "it is to over-fit";

    const PackedModel model = read_artifact(folder / "model.safetensors").model;
    EXPECT_EQ(task->evaluate(model, Split::kValid).json, result.at("valid"));
    EXPECT_EQ(task->evaluate(model, Split::kTest).json, result.at("test"));
    EXPECT_NE(result.at("valid"), result.at("test"));
    EXPECT_EQ(result.contains("user_hits"), !relevance);
    if (!relevance) {
      const std::vector<double> hits = hits_of_json(result.at("user_hits"));
      EXPECT_EQ(hits, task->evaluate(model, Split::kTest).hits);
      EXPECT_NE(hits, task->evaluate(model, Split::kValid).hits);
    }

    std::ifstream lines(folder / "metrics.jsonl");
    std::vector<double> figures;
    for (std::string line; std::getline(lines, line);) {
      const auto valid = nlohmann::json::parse(line).at("valid");
      figures.push_back(relevance ? -valid.at("rmse").get<double>()
                                  : valid.at("full").at("ndcg@10").get<double>());
    }
    ASSERT_EQ(figures.size(), 12u);
    EXPECT_EQ(std::max_element(figures.begin(), figures.end()) - figures.begin() + 1, best);
  }
  std::filesystem::remove_all(folder);
}

MGQE_ON_EVERY_BACKEND(Evaluations);

}  // namespace
}  // namespace mgqe::testing

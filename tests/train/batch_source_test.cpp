// What training reads in an epoch, on every back end: sequences, pairs and scored pairs against
// naive constructions, and the statistics of what is random about them.
#include "host/train/batch_source.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// Bound of a chi-square statistic: its mean is the degrees of freedom, its variance twice that.
double chi_square_bound(double degrees) { return degrees + 6.0 * std::sqrt(2.0 * degrees); }

/// A data set of these training actions by user, in time order.
Dataset make_dataset(const std::vector<std::vector<int32_t>>& actions, int64_t items) {
  Dataset dataset;
  dataset.name = "by hand";
  dataset.users = static_cast<int64_t>(actions.size());
  dataset.items = items;
  dataset.train_offsets = dataset.sequence_offsets = {0};
  for (const auto& of_user : actions) {
    dataset.sequence_items.insert(dataset.sequence_items.end(), of_user.begin(), of_user.end());
    dataset.sequence_offsets.push_back(static_cast<int64_t>(dataset.sequence_items.size()));
    const std::set<int32_t> distinct(of_user.begin(), of_user.end());
    dataset.train_items.insert(dataset.train_items.end(), distinct.begin(), distinct.end());
    dataset.train_offsets.push_back(static_cast<int64_t>(dataset.train_items.size()));
  }
  return dataset;
}

class FeedTest : public OnEveryBackend {
 protected:
  struct Step {
    Batch batch;
    int64_t examples;
  };
  /// Calls visit(step) for every step of an epoch, as a TrainingLoop draws them.
  template <class Visit>
  void for_each_step(BatchSource& feed, uint64_t seed, uint64_t epoch, const Visit& visit) {
    StepState start{};
    start.epoch = epoch;
    start.shuffle_key = random_u64(stream_key(seed, RandomStream::kShuffle), epoch);
    Tensor<StepState> state(backend(), 1);
    state.assign(std::span(&start, 1));
    feed.begin_epoch(start);
    for (int64_t step = 0; step < feed.steps_per_epoch(); ++step) {
      backend().begin_step(state, AdamOptions{});
      const int64_t examples = feed.ahead().examples;
      visit(Step{feed.draw(backend(), state), examples});
      feed.advance(1);
    }
    EXPECT_EQ(feed.ahead().steps, 0);
  }
  template <class T>
  std::vector<std::remove_const_t<T>> download(View<T> view) {
    std::vector<std::remove_const_t<T>> host(static_cast<size_t>(view.size()));
    if (!host.empty()) backend().download(host.data(), view.data, host.size() * sizeof(T));
    return host;
  }
};

// ---- sequences ----------------------------------------------------------------------------------

struct Sequence {
  std::vector<int32_t> inputs, positions, positives;
  bool operator==(const Sequence&) const = default;
};

class SequenceFeedTest : public FeedTest {
 protected:
  static constexpr int64_t kMaxLength = 7, kItems = 120, kBatch = 7;
  static constexpr int32_t kUsers = 29;

  SequenceFeedTest() {
    Random random(1);
    // 0, 1, 2, ... actions, so that there are users without a token, and with fewer, as many and
    // more than kMaxLength. The last action of a user is the item of its own number, which no other
    // user has: it tells whose sequence it is.
    for (int32_t user = 0; user < kUsers; ++user) {
      const int count = user * 5 % 13;
      actions_.push_back(random.integers<int32_t>(count, kUsers, kItems - 1));
      if (count > 0) actions_.back().back() = user;
    }
  }

  Config config(uint64_t seed = 1) const {
    Config config;
    config.model.max_length = kMaxLength;
    config.train.batch = kBatch;
    config.run.seed = seed;
    return config;
  }
  /// By the definition: inputs are the last kMaxLength actions with a successor.
  Sequence naive(int32_t user) const {
    const auto& all = actions_[user];
    Sequence sequence;
    for (size_t t = 0; t + 1 < all.size(); ++t) {
      if (t + 1 + kMaxLength < all.size()) continue;
      sequence.inputs.push_back(all[t]);
      sequence.positives.push_back(all[t + 1]);
    }
    const auto count = static_cast<int32_t>(sequence.inputs.size());
    for (int32_t t = 0; t < count; ++t)
      sequence.positions.push_back(static_cast<int32_t>(kMaxLength) - count + t);
    return sequence;
  }

  struct Epoch {
    std::vector<int32_t> users;                         // in order
    std::map<int32_t, std::vector<int32_t>> negatives;  // by user
  };
  /// An epoch, every part of it but the negatives compared with naive().
  Epoch draw(uint64_t seed, uint64_t epoch) {
    const Dataset dataset = make_dataset(actions_, kItems);
    const auto feed = make_sequence_batches(backend(), dataset, config(seed));
    Epoch drawn;
    int64_t examples = 0, steps = 0;
    for_each_step(*feed, seed, epoch, [&](const Step& step) {
      const SequenceTokens& tokens = step.batch.tokens;
      const auto offsets = download(tokens.sequences.offsets);
      const auto inputs = download(tokens.inputs), positions = download(tokens.positions),
                 positives = download(tokens.positives), negatives = download(tokens.negatives);
      ++steps;
      examples += step.examples;
      EXPECT_EQ(offsets.front(), 0);
      EXPECT_EQ(offsets.back(), step.examples);
      EXPECT_EQ(tokens.inputs.size(), step.examples);
      const auto sequences = static_cast<int64_t>(offsets.size()) - 1;
      EXPECT_EQ(sequences, std::min<int64_t>(kBatch, eligible() - (steps - 1) * kBatch));
      for (int64_t b = 0; b < sequences; ++b) {
        const auto part = [&](const std::vector<int32_t>& of) {
          return std::vector<int32_t>(of.begin() + offsets[b], of.begin() + offsets[b + 1]);
        };
        const Sequence sequence{part(inputs), part(positions), part(positives)};
        EXPECT_LE(static_cast<int64_t>(sequence.inputs.size()), tokens.sequences.longest);
        const int32_t user = sequence.positives.empty() ? -1 : sequence.positives.back();
        if (user < 0 || user >= kUsers) {
          ADD_FAILURE() << "sequence " << b << " of step " << steps << " is nobody's";
          continue;
        }
        EXPECT_EQ(sequence, naive(user)) << "user " << user;
        EXPECT_EQ(sequence.positions.back(), kMaxLength - 1);
        drawn.users.push_back(user);
        drawn.negatives[user] = part(negatives);
      }
    });
    EXPECT_EQ(examples, feed->examples_per_epoch());
    return drawn;
  }
  int64_t eligible() const {
    return std::count_if(actions_.begin(), actions_.end(),
                         [](const auto& of_user) { return of_user.size() >= 2; });
  }

  std::vector<std::vector<int32_t>> actions_;
};

TEST_P(SequenceFeedTest, EveryUserWithATokenOnceAnEpoch) {
  ASSERT_NE(eligible() % kBatch, 0) << "the last batch is to be short";
  ASSERT_LT(eligible(), kUsers);
  std::vector<int32_t> expected;
  for (int32_t user = 0; user < kUsers; ++user)
    if (actions_[user].size() >= 2) expected.push_back(user);
  for (const uint64_t epoch : {1, 2, 7}) {
    std::vector<int32_t> users = draw(1, epoch).users;
    EXPECT_FALSE(std::is_sorted(users.begin(), users.end()));
    std::sort(users.begin(), users.end());
    EXPECT_EQ(users, expected);
  }
}

TEST_P(SequenceFeedTest, OrderFollowsEpochAndSeedAlone) {
  const auto first = draw(1, 1).users;
  EXPECT_EQ(draw(1, 1).users, first);
  EXPECT_NE(draw(1, 2).users, first);
  EXPECT_NE(draw(2, 1).users, first);
}

TEST_P(SequenceFeedTest, NegativesAreOutsideTheUsersTrainingSet) {
  for (const uint64_t epoch : {1, 2, 3})
    for (const auto& [user, negatives] : draw(1, epoch).negatives)
      for (const int32_t item : negatives) {
        EXPECT_GE(item, 0);
        EXPECT_LT(item, kItems);
        EXPECT_EQ(std::count(actions_[user].begin(), actions_[user].end(), item), 0)
            << "user " << user << " has item " << item;
      }
}

TEST_P(SequenceFeedTest, NegativesAreDrawnAnewEachEpochAndBySeed) {
  const auto first = draw(1, 1).negatives;
  EXPECT_EQ(draw(1, 1).negatives, first);
  for (const auto& other : {draw(1, 2).negatives, draw(2, 1).negatives}) {
    int64_t same = 0, all = 0;
    for (const auto& [user, negatives] : first)
      for (size_t t = 0; t < negatives.size(); ++t, ++all)
        same += other.at(user)[t] == negatives[t];
    // Of about 100 tokens with about 115 items each, one or so agrees by chance.
    EXPECT_GT(all, 80);
    EXPECT_LE(same, 8);
  }
}

TEST_P(SequenceFeedTest, NegativesAreUniform) {
  constexpr int64_t kCatalogue = 40, kActions = 301, kEpochs = 40;
  std::vector<int32_t> actions;
  for (int64_t t = 0; t < kActions; ++t) actions.push_back(static_cast<int32_t>(t % 10 * 3));
  const Dataset dataset = make_dataset({actions}, kCatalogue);
  Config config = this->config();
  config.model.max_length = kActions;
  const auto feed = make_sequence_batches(backend(), dataset, config);
  std::vector<double> counts(kCatalogue, 0.0);
  int64_t repeats = 0, draws = 0;
  for (uint64_t epoch = 1; epoch <= kEpochs; ++epoch)
    for_each_step(*feed, 1, epoch, [&](const Step& step) {
      const auto negatives = download(step.batch.tokens.negatives);
      for (size_t t = 0; t < negatives.size(); ++t) {
        counts[negatives[t]] += 1.0;
        repeats += t > 0 && negatives[t] == negatives[t - 1];
        ++draws;
      }
    });
  ASSERT_EQ(draws, kEpochs * (kActions - 1));
  constexpr double kUntouched = kCatalogue - 10;
  const double expected = static_cast<double>(draws) / kUntouched;
  double chi_square = 0.0;
  for (int64_t item = 0; item < kCatalogue; ++item) {
    if (item < 30 && item % 3 == 0) {
      EXPECT_EQ(counts[item], 0.0);
      continue;
    }
    chi_square += (counts[item] - expected) * (counts[item] - expected) / expected;
  }
  EXPECT_LT(chi_square, chi_square_bound(kUntouched - 1));
  // Neighbours agree as often as independent draws do: binomial.
  const double p = 1.0 / kUntouched, pairs = static_cast<double>(draws);
  EXPECT_NEAR(static_cast<double>(repeats), pairs * p, 6.0 * std::sqrt(pairs * p));
}

TEST_P(SequenceFeedTest, DataWithoutATokenIsRefused) {
  const Dataset dataset = make_dataset({{3}, {}, {4}}, 10);
  try {
    make_sequence_batches(backend(), dataset, config());
    FAIL() << "was not refused";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("by hand: no user has two training actions"),
              std::string::npos)
        << error.what();
  }
}

// ---- pairs --------------------------------------------------------------------------------------

class PairFeedTest : public FeedTest {};

TEST_P(PairFeedTest, AnEpochIsEveryPositiveAndItsNegatives) {
  const std::vector<std::vector<int32_t>> actions = {{1, 4, 1}, {}, {7}, {0, 1, 2, 3, 5}};
  const Dataset dataset = make_dataset(actions, 9);
  Config config;
  config.train.batch = 7;
  config.train.negatives = 3;
  const auto feed = make_pair_batches(backend(), dataset, config);
  EXPECT_EQ(feed->examples_per_epoch(), 8 * 4);
  EXPECT_EQ(feed->steps_per_epoch(), 5);
  for (const uint64_t epoch : {1, 2}) {
    std::multiset<std::pair<int32_t, int32_t>> positives;
    std::map<int32_t, int> negatives;
    std::vector<int64_t> sizes;
    for_each_step(*feed, 1, epoch, [&](const Step& step) {
      sizes.push_back(step.examples);
      const auto users = download(step.batch.pairs.left), items = download(step.batch.pairs.right);
      const auto labels = download(step.batch.pairs.targets);
      for (size_t b = 0; b < labels.size(); ++b) {
        const auto& of_user = actions[users[b]];
        const bool known = std::count(of_user.begin(), of_user.end(), items[b]) > 0;
        EXPECT_EQ(known, labels[b] == 1.0f);
        if (known)
          positives.insert({users[b], items[b]});
        else
          ++negatives[users[b]];
      }
    });
    EXPECT_EQ(sizes, (std::vector<int64_t>{7, 7, 7, 7, 4}));
    EXPECT_EQ(positives, (std::multiset<std::pair<int32_t, int32_t>>{
                             {0, 1}, {0, 4}, {2, 7}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 5}}));
    EXPECT_EQ(negatives, (std::map<int32_t, int>{{0, 6}, {2, 3}, {3, 15}}));
  }
}

// ---- scored pairs -------------------------------------------------------------------------------

class ScoredPairFeedTest : public FeedTest {
 protected:
  static constexpr int64_t kPairs = 103, kBatch = 20;

  ScoredPairFeedTest() {
    for (int32_t p = 0; p < kPairs; ++p) pairs_.add(p, p + 1000, static_cast<float>(3 * p - 140));
  }
  /// Left items in the order of the epoch; the rest is compared with pairs_.
  std::vector<int32_t> draw(uint64_t seed, uint64_t epoch) {
    Config config;
    config.train.batch = kBatch;
    const auto feed = make_scored_pair_batches(backend(), pairs_, config);
    EXPECT_EQ(feed->examples_per_epoch(), kPairs);
    std::vector<int32_t> order;
    std::vector<int64_t> sizes;
    for_each_step(*feed, seed, epoch, [&](const Step& step) {
      sizes.push_back(step.examples);
      const auto left = download(step.batch.pairs.left), right = download(step.batch.pairs.right);
      const auto targets = download(step.batch.pairs.targets);
      EXPECT_EQ(static_cast<int64_t>(targets.size()), step.examples);
      for (size_t b = 0; b < targets.size(); ++b) {
        EXPECT_EQ(right[b], left[b] + 1000);
        EXPECT_EQ(targets[b], static_cast<float>(3 * left[b] - 140) / 100.0f);
        order.push_back(left[b]);
      }
    });
    EXPECT_EQ(sizes, (std::vector<int64_t>{20, 20, 20, 20, 20, 3}));
    return order;
  }

  ScoredPairs pairs_;
};

TEST_P(ScoredPairFeedTest, EveryPairOnceAnEpochWithItsScoreInHundredths) {
  for (const uint64_t epoch : {1, 2, 3}) {
    std::vector<int32_t> order = draw(1, epoch);
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, pairs_.left);
  }
}

TEST_P(ScoredPairFeedTest, OrderFollowsEpochAndSeedAlone) {
  const auto first = draw(1, 1);
  EXPECT_EQ(draw(1, 1), first);
  EXPECT_NE(draw(1, 2), first);
  EXPECT_NE(draw(2, 1), first);
}

MGQE_ON_EVERY_BACKEND(SequenceFeedTest);
MGQE_ON_EVERY_BACKEND(PairFeedTest);
MGQE_ON_EVERY_BACKEND(ScoredPairFeedTest);

// ---- dropout ------------------------------------------------------------------------------------

constexpr int64_t kElements = 1 << 18;
constexpr double kDeviations = 5.0;  // of about 60 statistics below, none should pass it

std::vector<bool> mask(uint64_t layer_key, uint64_t step, float rate, uint64_t first = 0) {
  const uint64_t key = dropout_step_key(layer_key, step);
  std::vector<bool> keeps(kElements);
  for (int64_t i = 0; i < kElements; ++i)
    keeps[i] = dropout_keeps(key, first + static_cast<uint64_t>(i), rate);
  return keeps;
}

double kept_share(const std::vector<bool>& mask) {
  return static_cast<double>(std::count(mask.begin(), mask.end(), true)) /
         static_cast<double>(mask.size());
}

/// Correlation of a[i] with b[i + lag] where each is kept with probability keep, in standard
/// deviations: of independent masks it is about normal.
double correlation(const std::vector<bool>& a, const std::vector<bool>& b, int64_t lag,
                   double keep) {
  double sum = 0.0;
  const int64_t n = kElements - lag;
  for (int64_t i = 0; i < n; ++i) sum += (a[i] - keep) * (b[i + lag] - keep);
  return sum / (keep * (1.0 - keep) * std::sqrt(static_cast<double>(n)));
}

TEST(DropoutKeeps, ItsShareOfEveryLayerStepAndRange) {
  for (const float rate : {0.05f, 0.2f, 0.5f, 0.9f})
    for (const uint64_t layer : {0ull, 1ull, 0x123456789abcdefull})
      for (const uint64_t first : {0ull, 1ull << 32, 5ull << 40}) {
        const double keep = 1.0 - rate;
        const double deviation = std::sqrt(keep * rate / kElements);
        EXPECT_NEAR(kept_share(mask(layer, 3, rate, first)), keep, kDeviations * deviation)
            << "rate " << rate << ", layer " << layer << ", first " << first;
      }
  EXPECT_EQ(kept_share(mask(7, 1, 0.0f)), 1.0);
}

TEST(DropoutKeeps, NeighboursIndependently) {
  for (const float rate : {0.2f, 0.5f}) {
    const auto keeps = mask(99, 4, rate);
    for (const int64_t lag : {1, 2, 3, 4, 16, 50, 64, 200, 256, 4096, 1 << 16})
      EXPECT_LT(std::abs(correlation(keeps, keeps, lag, 1.0 - rate)), kDeviations)
          << "rate " << rate << ", lag " << lag;
  }
}

TEST(DropoutKeeps, AnyWindowIsBinomial) {
  const float rate = 0.2f;
  for (const int64_t window : {8, 64, 200}) {
    const auto keeps = mask(5, 1, rate);
    const double mean = static_cast<double>(window) * 0.8;
    const double variance = mean * 0.2;
    double chi_square = 0.0;
    const int64_t windows = kElements / window;
    for (int64_t w = 0; w < windows; ++w) {
      const auto begin = keeps.begin() + w * window;
      const auto kept = static_cast<double>(std::count(begin, begin + window, true));
      chi_square += (kept - mean) * (kept - mean) / variance;
    }
    const auto degrees = static_cast<double>(windows);
    EXPECT_LT(chi_square, chi_square_bound(degrees)) << "window " << window;
    EXPECT_GT(chi_square, 2.0 * degrees - chi_square_bound(degrees)) << "window " << window;
  }
}

TEST(DropoutKeeps, StepsAndLayersIndependently) {
  const float rate = 0.2f;
  const auto base = mask(10, 1, rate);
  for (const uint64_t step : {2, 3, 5, 1001})
    for (const int64_t lag : {0, 1, 64})
      EXPECT_LT(std::abs(correlation(base, mask(10, step, rate), lag, 0.8)), kDeviations)
          << "step " << step << ", lag " << lag;
  for (const uint64_t layer : {11ull, 12ull, 10ull + (1ull << 32), ~0ull})
    for (const int64_t lag : {0, 1, 64})
      EXPECT_LT(std::abs(correlation(base, mask(layer, 1, rate), lag, 0.8)), kDeviations)
          << "layer " << layer << ", lag " << lag;
  // One element over the steps of a run.
  std::vector<bool> by_step(kElements);
  for (int64_t step = 0; step < kElements; ++step)
    by_step[step] = dropout_keeps(dropout_step_key(10, static_cast<uint64_t>(step)), 77, rate);
  EXPECT_NEAR(kept_share(by_step), 0.8, kDeviations * std::sqrt(0.16 / kElements));
  for (const int64_t lag : {1, 2, 100})
    EXPECT_LT(std::abs(correlation(by_step, by_step, lag, 0.8)), kDeviations) << "lag " << lag;
}

}  // namespace
}  // namespace mgqe::testing

#include "host/base/sampling.hpp"

#include <algorithm>
#include <set>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

TEST(Permutation, IsABijectionForEverySize) {
  for (const uint64_t n : {1ull, 2ull, 3ull, 4ull, 5ull, 17ull, 1000ull, 4096ull, 4097ull}) {
    const Permutation permutation(n, 0x123456789abcdefull + n);
    std::vector<bool> hit(n, false);
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t image = permutation(i);
      ASSERT_LT(image, n);
      ASSERT_FALSE(hit[image]);
      hit[image] = true;
    }
  }
}

TEST(Permutation, SpreadsNeighboursAndKeys) {
  constexpr uint64_t kSize = 1 << 20;
  const Permutation permutation(kSize, 99), other(kSize, 100);
  double moved = 0.0;
  int same = 0;
  for (uint64_t i = 0; i < kSize; i += 64) {
    moved +=
        std::abs(static_cast<double>(permutation(i)) - static_cast<double>(permutation(i + 1)));
    same += permutation(i) == other(i);
  }
  // Two uniform draws are a third of the range apart on average.
  EXPECT_NEAR(moved / (kSize / 64) / kSize, 1.0 / 3.0, 0.02);
  EXPECT_LE(same, 3);
}

TEST(NthMissing, ListsExactlyTheItemsNotListed) {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const int64_t items = 1 + trial % 37;
    std::set<int32_t> chosen;
    for (const int32_t item : random.integers<int32_t>(trial % 30, 0, static_cast<int>(items) - 1))
      chosen.insert(item);
    const std::vector<int32_t> sorted(chosen.begin(), chosen.end());
    int64_t r = 0;
    for (int32_t item = 0; item < items; ++item) {
      if (chosen.contains(item)) continue;
      ASSERT_EQ(nth_missing(sorted.data(), static_cast<int64_t>(sorted.size()), r++), item);
    }
  }
}

class PairSampling : public OnEveryBackend {
 protected:
  // Three users; the last has touched all items but one.
  const std::vector<int64_t> offsets_ = {0, 2, 3, 8};
  const std::vector<int32_t> items_ = {1, 4, 7, 0, 1, 2, 3, 5};
  const std::vector<int32_t> user_of_item_ = {0, 0, 1, 2, 2, 2, 2, 2};
  static constexpr int64_t kItems = 9;

  PairSampler sampler_over(View<const int64_t> offsets, View<const int32_t> items,
                           View<const int32_t> users) const {
    PairSampler sampler;
    sampler.histories = {offsets, items};
    sampler.positive_user = users;
    sampler.items = kItems;
    sampler.negatives = 4;
    sampler.batch = 7;
    sampler.negative_key = 12;
    return sampler;
  }

  PairSampler::Pair draw_on_host(uint64_t epoch, uint64_t k) const {
    const PairSampler sampler =
        sampler_over({offsets_.data(), 4}, {items_.data(), 8}, {user_of_item_.data(), 8});
    return sampler.draw(epoch, sampler.example(11 + epoch, k));
  }

  /// All pairs of an epoch, drawn in batches of 7.
  std::vector<PairSampler::Pair> epoch(uint64_t number) {
    const Tensor<int64_t> offsets = tensor(offsets_);
    const Tensor<int32_t> items = tensor(items_);
    const Tensor<int32_t> users = tensor(user_of_item_);
    const PairSampler sampler = sampler_over(offsets, items, users);
    Tensor<StepState> state(backend(), 1);
    StepState start{};
    start.epoch = number;
    start.shuffle_key = 11 + number;
    state.assign(std::span(&start, 1));
    std::vector<PairSampler::Pair> pairs;
    for (int64_t left = sampler.pairs_per_epoch(); left > 0; left -= 7) {
      const int64_t here = std::min<int64_t>(7, left);
      Tensor<int32_t> u = poisoned<int32_t>(here), i = poisoned<int32_t>(here);
      Tensor<float> l = poisoned<float>(here);
      backend().begin_step(state, AdamOptions{});
      backend().sample_pairs(sampler, state, u, i, l);
      const auto uu = u.to_host(), ii = i.to_host();
      const auto ll = l.to_host();
      for (int64_t b = 0; b < here; ++b) {
        const PairSampler::Pair expected = draw_on_host(number, pairs.size());
        EXPECT_EQ(uu[b], expected.user);
        EXPECT_EQ(ii[b], expected.item);
        EXPECT_EQ(ll[b], expected.label);
        pairs.push_back({uu[b], ii[b], ll[b]});
      }
    }
    return pairs;
  }
};

TEST_P(PairSampling, EveryPositiveOnceAndFourNegativesOutsideTheHistory) {
  const auto pairs = epoch(1);
  ASSERT_EQ(pairs.size(), 40u);
  std::multiset<std::pair<int32_t, int32_t>> positives;
  std::map<int32_t, int> negatives;
  for (const auto& pair : pairs) {
    const bool known =
        std::find(items_.begin() + offsets_[pair.user], items_.begin() + offsets_[pair.user + 1],
                  pair.item) != items_.begin() + offsets_[pair.user + 1];
    EXPECT_EQ(known, pair.label == 1.0f) << pair.user << " " << pair.item;
    EXPECT_GE(pair.item, 0);
    EXPECT_LT(pair.item, kItems);
    if (pair.label == 1.0f)
      positives.insert({pair.user, pair.item});
    else
      ++negatives[pair.user];
  }
  const std::multiset<std::pair<int32_t, int32_t>> expected = {{0, 1}, {0, 4}, {1, 7}, {2, 0},
                                                               {2, 1}, {2, 2}, {2, 3}, {2, 5}};
  EXPECT_EQ(positives, expected);
  EXPECT_EQ(negatives, (std::map<int32_t, int>{{0, 8}, {1, 4}, {2, 20}}));
}

TEST_P(PairSampling, EpochsDifferAndRepeatExactly) {
  const auto key = [](const std::vector<PairSampler::Pair>& pairs) {
    std::vector<std::pair<int32_t, int32_t>> key;
    for (const auto& pair : pairs) key.push_back({pair.user, pair.item});
    return key;
  };
  const auto first = key(epoch(1)), again = key(epoch(1)), second = key(epoch(2));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, second);
  auto sorted_first = first, sorted_second = second;
  std::sort(sorted_first.begin(), sorted_first.end());
  std::sort(sorted_second.begin(), sorted_second.end());
  EXPECT_NE(sorted_first, sorted_second) << "negatives are drawn anew each epoch";
}

MGQE_ON_EVERY_BACKEND(PairSampling);

}  // namespace
}  // namespace mgqe::testing

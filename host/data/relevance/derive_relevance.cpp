#include "host/data/relevance/derive_relevance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "host/base/parallel.hpp"
#include "host/base/philox.hpp"
#include "host/data/interactions/unique_pairs.hpp"

namespace mgqe {

namespace {

constexpr double kCoOwnedShare = 0.7;
constexpr int32_t kCoOwned = 2;  // users that have both

/// Every user's set of items, and every item's users.
class Ownership {
 public:
  explicit Ownership(const Dataset& dataset) : users_(dataset.users), items_(dataset.items) {
    user_offsets_.assign(1, 0);
    owner_offsets_.assign(items_ + 1, 0);
    std::vector<int32_t> set;
    for (int64_t user = 0; user < users_; ++user) {
      set.assign(dataset.train_items.begin() + dataset.train_offsets[user],
                 dataset.train_items.begin() + dataset.train_offsets[user + 1]);
      for (const int32_t held : {dataset.valid_item[user], dataset.test_item[user]})
        if (held >= 0) set.push_back(held);
      std::sort(set.begin(), set.end());
      set.erase(std::unique(set.begin(), set.end()), set.end());
      owned_.insert(owned_.end(), set.begin(), set.end());
      user_offsets_.push_back(static_cast<int64_t>(owned_.size()));
      for (const int32_t item : set) ++owner_offsets_[item + 1];
    }
    std::partial_sum(owner_offsets_.begin(), owner_offsets_.end(), owner_offsets_.begin());
    index_owners();
  }

  int64_t users() const { return users_; }
  int64_t items() const { return items_; }
  int64_t owners_of(int64_t item) const { return owner_offsets_[item + 1] - owner_offsets_[item]; }
  /// An item, drawn in proportion to its users.
  int32_t popular_item(uint64_t bits) const { return owned_[random_below(bits, owned_.size())]; }

  int score(uint64_t pair, int64_t both) const {
    return derived_score(both, owners_of(pair_low(pair)), owners_of(pair_high(pair)), users_);
  }

  /// Calls visit(a, both, partners) for every item a, in parallel: both[b] users have a and b, and
  /// partners are the items b > a with any, in no order that matters.
  template <class Visit>
  void visit_rows(const Visit& visit) const {
    struct Counts {
      std::vector<int32_t> both, partners;
    };
    parallel_stretches(
        items_, 4,
        [&] {
          return Counts{std::vector<int32_t>(items_), {}};
        },
        [&](Counts& counts, int64_t begin, int64_t end) {
          auto& [both, partners] = counts;
          for (int64_t a = begin; a < end; ++a) {
            partners.clear();
            for (int64_t k = owner_offsets_[a]; k < owner_offsets_[a + 1]; ++k)
              for (int64_t at = owners_[k].next; at < user_offsets_[owners_[k].user + 1]; ++at)
                if (both[owned_[at]]++ == 0) partners.push_back(owned_[at]);
            visit(static_cast<int32_t>(a), both, partners);
            for (const int32_t b : partners) both[b] = 0;
          }
        });
  }

 private:
  struct Owner {
    int32_t user;
    int64_t next;  // in owned_, where the user's items behind this one begin
  };

  void index_owners() {
    owners_.resize(owned_.size());
    std::vector<int64_t> free(owner_offsets_.begin(), owner_offsets_.end() - 1);
    for (int64_t user = 0; user < users_; ++user)
      for (int64_t at = user_offsets_[user]; at < user_offsets_[user + 1]; ++at)
        owners_[free[owned_[at]]++] = {static_cast<int32_t>(user), at + 1};
  }

  int64_t users_, items_;
  std::vector<int64_t> user_offsets_;   // (users + 1) into owned_
  std::vector<int32_t> owned_;          // each user's items, ascending
  std::vector<int64_t> owner_offsets_;  // (items + 1) into owners_
  std::vector<Owner> owners_;
};

struct CountedPair {
  uint64_t order;  // random bits: pairs are chosen and put out by it
  uint64_t pair;
  int32_t both;
};

bool before(const CountedPair& a, const CountedPair& b) {
  return a.order != b.order ? a.order < b.order : a.pair < b.pair;
}

/// `count` co-owned pairs, uniformly: those of the lowest order.
std::vector<CountedPair> choose_co_owned(const Ownership& ownership, int64_t count, uint64_t key) {
  std::vector<int64_t> totals(ownership.items());
  ownership.visit_rows([&](int32_t a, const auto& both, const auto& partners) {
    totals[a] = std::count_if(partners.begin(), partners.end(),
                              [&](int32_t b) { return both[b] >= kCoOwned; });
  });
  const auto total = static_cast<double>(std::accumulate(totals.begin(), totals.end(), int64_t{0}));

  // Six standard deviations more than are wanted, of which the surplus is cut off below.
  const double wanted = static_cast<double>(count);
  const double rate = (wanted + 6.0 * std::sqrt(wanted) + 1.0) / total;
  const uint64_t limit =
      rate >= 1.0 ? std::numeric_limits<uint64_t>::max() : static_cast<uint64_t>(rate * 0x1p64);
  std::vector<std::vector<CountedPair>> rows(ownership.items());
  ownership.visit_rows([&](int32_t a, const auto& both, const auto& partners) {
    for (const int32_t b : partners) {
      if (both[b] < kCoOwned) continue;
      const uint64_t pair = pair_key(a, b), order = random_u64(key, pair);
      if (order <= limit) rows[a].push_back({order, pair, both[b]});
    }
  });
  std::vector<CountedPair> chosen;
  for (std::vector<CountedPair>& row : rows) {
    chosen.insert(chosen.end(), row.begin(), row.end());
    row = {};
  }
  if (static_cast<int64_t>(chosen.size()) > count) {
    std::nth_element(chosen.begin(), chosen.begin() + count, chosen.end(), before);
    chosen.resize(count);
  }
  return chosen;
}

/// `count` pairs outside `taken` (ascending), both items by popularity.
std::vector<CountedPair> draw_popular(const Ownership& ownership, int64_t count,
                                      const std::vector<uint64_t>& taken, uint64_t key,
                                      uint64_t order_key) {
  constexpr int64_t kDrawsPerPair = 10;  // then popular pairs are as good as exhausted
  const std::vector<uint64_t> pairs =
      draw_unique_pairs(count, kDrawsPerPair * count, [&](int64_t k) {
        const int32_t a = ownership.popular_item(random_u64(key, k, 0));
        const int32_t b = ownership.popular_item(random_u64(key, k, 1));
        const uint64_t pair = pair_key(a, b);
        const bool refused = a == b || std::binary_search(taken.begin(), taken.end(), pair);
        return refused ? kNoPair : pair;
      });
  std::vector<CountedPair> drawn(pairs.size());
  ownership.visit_rows([&](int32_t a, const auto& both, const auto&) {
    // The pairs whose smaller item is a lie together.
    auto at = std::lower_bound(pairs.begin(), pairs.end(), pair_key(a, a));
    for (; at != pairs.end() && pair_low(*at) == a; ++at)
      drawn[at - pairs.begin()] = {random_u64(order_key, *at), *at, both[pair_high(*at)]};
  });
  return drawn;
}

}  // namespace

int derived_score(int64_t both, int64_t owners_a, int64_t owners_b, int64_t users) {
  const double expected =
      static_cast<double>(owners_a) * static_cast<double>(owners_b) / static_cast<double>(users);
  const double lift = (static_cast<double>(both) + 1.0) / (expected + 1.0);
  return static_cast<int>(std::lround(100.0 * std::tanh(std::log(lift) / 1.5)));
}

ScoredPairs derive_relevance(const Dataset& dataset, int64_t count, uint64_t seed) {
  const Ownership ownership(dataset);
  const auto key = [&](uint64_t purpose) {
    return random_u64(stream_key(seed, RandomStream::kSynthetic), purpose, 1);
  };
  const int64_t co_owned = std::llround(kCoOwnedShare * static_cast<double>(count));
  std::vector<CountedPair> pairs = choose_co_owned(ownership, co_owned, key(0));
  const double per_co_owned = (1.0 - kCoOwnedShare) / kCoOwnedShare;
  const int64_t popular = std::min<int64_t>(
      count - co_owned, std::llround(static_cast<double>(pairs.size()) * per_co_owned));
  std::vector<uint64_t> taken;
  taken.reserve(pairs.size());
  for (const CountedPair& chosen : pairs) taken.push_back(chosen.pair);
  std::sort(taken.begin(), taken.end());
  const std::vector<CountedPair> drawn = draw_popular(ownership, popular, taken, key(1), key(0));
  pairs.insert(pairs.end(), drawn.begin(), drawn.end());
  std::sort(pairs.begin(), pairs.end(), before);

  ScoredPairs scored;
  for (const CountedPair& counted : pairs) {
    int32_t left = pair_low(counted.pair), right = pair_high(counted.pair);
    // Else the more popular item would always stand on the left.
    if ((random_u64(key(2), counted.pair) & 1) != 0) std::swap(left, right);
    scored.add(left, right, static_cast<float>(ownership.score(counted.pair, counted.both)));
  }
  return scored;
}

}  // namespace mgqe

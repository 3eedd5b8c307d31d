// A synthetic catalogue with what the method is about: power-law popularity, tastes to learn, and
// an order to predict.
//
//   Items   n items stand in a hidden popularity order 0 .. n-1 and belong to G groups in turn:
//           the j-th most popular of group g has place j G + g. Original ids are a keyed
//           permutation of the places, so that an id says nothing.
//   Users   prefer four groups, weighted 4:3:2:1. The number of actions is 4 u^3 times the mean,
//           u uniform: most users are short, a few long.
//   Actions with probability 0.3 the next item of the previous item's group (order); else an item
//           of a preferred group with probability 0.9 (taste), of any group otherwise (popularity
//           alone). Within a group of m items j = floor(m u^4): density proportional to
//           j^(-3/4), the top tenth of the items drawing 0.1^(1/4) = 56% of the actions. A user
//           takes an item once; what is taken is drawn anew, which flattens the head where users
//           take a good part of a group.
//
// Each user is a pure function of (seed, user): users are generated in parallel, and any number of
// threads gives the same data. Only +, * and integers are used, so every machine does too. There
// are no tables over items, so 1e8 of them cost their ids alone.
#include <algorithm>
#include <numeric>
#include <vector>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/base/philox.hpp"
#include "host/base/sampling.hpp"
#include "host/data/interactions/actions.hpp"
#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

constexpr int64_t kMinItems = 16;
constexpr int64_t kMaxItems = 100'000'000;
constexpr int64_t kMinActions = 3;
constexpr int64_t kMinGroups = 16, kMaxGroups = 64, kMinGroupSize = 60;
constexpr double kFollowProbability = 0.3;
constexpr double kTasteProbability = 0.9;

/// (0, 1) with 32 random bits: u^4 m keeps single items apart up to m of some 1e9.
double to_unit(uint32_t bits) { return (bits + 0.5) * 0x1p-32; }

/// Remembers the places a user has taken; open addressing, reused from user to user.
class TakenSet {
 public:
  explicit TakenSet(int64_t max_size) {
    size_t slots = 16;
    while (slots < 2 * static_cast<size_t>(max_size)) slots *= 2;
    slots_.assign(slots, {-1, -1});
  }
  void clear(int64_t user) { user_ = user; }
  /// False when `place` was taken before.
  bool take(int64_t place) {
    const size_t mask = slots_.size() - 1;
    size_t at = (static_cast<uint64_t>(place) * 0x9E3779B97F4A7C15ull >> 32) & mask;
    for (; slots_[at].user == user_; at = (at + 1) & mask)
      if (slots_[at].place == place) return false;
    slots_[at] = {user_, place};
    return true;
  }

 private:
  struct Slot {
    int64_t user, place;  // an entry of another user is an empty slot
  };
  std::vector<Slot> slots_;
  int64_t user_ = -1;
};

class Generator {
 public:
  explicit Generator(const DataConfig& config)
      : items_(config.synthetic_items),
        mean_actions_(config.synthetic_actions),
        user_key_(key(config, 1)),
        action_key_(key(config, 2)),
        original_id_(static_cast<uint64_t>(items_), key(config, 3)) {
    // Small enough that taste narrows the choice, large enough that a user does not exhaust one.
    while (groups_ < kMaxGroups && items_ / (2 * groups_) >= kMinGroupSize) groups_ *= 2;
  }

  int64_t max_actions() const {
    return std::max(kMinActions, std::min(items_ / 2, 4 * mean_actions_));
  }

  int64_t actions_of(int64_t user) const {
    const double u = to_unit(philox(user_key_, user, 1).x[0]);
    const auto drawn = static_cast<int64_t>(4.0 * u * u * u * static_cast<double>(mean_actions_));
    return std::clamp(drawn, kMinActions, max_actions());
  }

  /// Writes the original ids of the user's actions, in time order.
  void generate(int64_t user, TakenSet& taken, int32_t* out, int64_t count) const {
    const Philox4 tastes = philox(user_key_, user, 0);
    uint64_t draws = 0;
    int64_t previous = -1;
    taken.clear(user);
    for (int64_t i = 0; i < count; ++i) {
      constexpr int kTries = 32;
      int64_t place = 0;
      bool free = false;
      for (int t = 0; t < kTries && !free; ++t) {
        place = draw(tastes, philox(action_key_, user, draws++), previous);
        free = taken.take(place);
      }
      // The user has nearly all that is likely: take the next free place.
      for (; !free; free = taken.take(place)) place = (place + 1) % items_;
      out[i] = static_cast<int32_t>(original_id_(static_cast<uint64_t>(place)));
      previous = place;
    }
  }

 private:
  static uint64_t key(const DataConfig& config, uint64_t purpose) {
    return random_u64(stream_key(config.synthetic_seed, RandomStream::kSynthetic), purpose);
  }

  int64_t group_size(int64_t group) const { return (items_ - group + groups_ - 1) / groups_; }

  int64_t draw(const Philox4& tastes, const Philox4& random, int64_t previous) const {
    const double kind = to_unit(random.x[0]);
    if (previous >= 0 && kind < kFollowProbability) {
      const int64_t next = previous + groups_;
      return next < items_ ? next : next % groups_;
    }
    const bool by_taste = to_unit(random.x[3]) < kTasteProbability;
    const int64_t group = by_taste ? preferred_group(tastes, random.x[1])
                                   : static_cast<int64_t>(random_below32(random.x[1]));
    const double u = to_unit(random.x[2]), u2 = u * u;
    const int64_t size = group_size(group);
    const auto j = static_cast<int64_t>(u2 * u2 * static_cast<double>(size));
    return std::min(j, size - 1) * groups_ + group;
  }

  int64_t preferred_group(const Philox4& tastes, uint32_t bits) const {
    const int tenth = static_cast<int>(10.0 * to_unit(bits));
    const int choice = tenth < 4 ? 0 : tenth < 7 ? 1 : tenth < 9 ? 2 : 3;
    return random_below32(tastes.x[choice]);
  }

  int64_t random_below32(uint32_t bits) const {
    return static_cast<int64_t>((static_cast<uint64_t>(bits) * static_cast<uint64_t>(groups_)) >>
                                32);
  }

  int64_t items_;
  int64_t mean_actions_;
  int64_t groups_ = kMinGroups;
  uint64_t user_key_;
  uint64_t action_key_;
  Permutation original_id_;
};

void check_config(const DataConfig& config) {
  const auto check_range = [](const char* flag, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high)
      input_error(flag, " ", value, " is out of range: ", low, " to ", high);
  };
  check_range("--synthetic-users", config.synthetic_users, 1, kMaxId);
  check_range("--synthetic-items", config.synthetic_items, kMinItems, kMaxItems);
  check_range("--synthetic-actions", config.synthetic_actions, kMinActions, 1'000'000);
}

std::vector<int64_t> count_up(int64_t n) {
  std::vector<int64_t> ids(n);
  std::iota(ids.begin(), ids.end(), int64_t{0});
  return ids;
}

}  // namespace

Actions generate_synthetic(const DataConfig& config) {
  check_config(config);
  const Generator generator(config);
  const int64_t users = config.synthetic_users;
  std::vector<int64_t> offsets(users + 1);
  for (int64_t user = 0; user < users; ++user)
    offsets[user + 1] = offsets[user] + generator.actions_of(user);

  Actions actions;
  actions.users.resize(offsets[users]);
  actions.items.resize(offsets[users]);
  parallel_stretches(
      users, 64, [&] { return TakenSet(generator.max_actions()); },
      [&](TakenSet& taken, int64_t begin, int64_t end) {
        for (int64_t user = begin; user < end; ++user) {
          const int64_t first = offsets[user], count = offsets[user + 1] - first;
          std::fill_n(actions.users.begin() + first, count, static_cast<int32_t>(user));
          generator.generate(user, taken, actions.items.data() + first, count);
        }
      });
  actions.user_ids.integers = count_up(users);
  actions.item_ids.integers = count_up(config.synthetic_items);
  return actions;
}

}  // namespace mgqe

// What must hold of the split of any log with times, and that the order of a file's lines is none
// of it where times tell.
#include <algorithm>
#include <map>
#include <random>

#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

struct Action {
  int64_t user, item, time;
};

/// Users of 1 to 12 actions on 40 items, repeats among them; distinct times, or many equal ones.
std::vector<Action> random_actions(std::mt19937_64& random, bool distinct_times) {
  std::vector<Action> actions;
  const int64_t users = 2 + static_cast<int64_t>(random() % 20);
  for (int64_t user = 0; user < users; ++user)
    for (uint64_t left = 1 + random() % 12; left > 0; --left)
      actions.push_back({user * 7 - 3, static_cast<int64_t>(random() % 40) + 1, 0});
  // Items of their own, so that nobody has all.
  for (int64_t item = 101; item <= 103; ++item) actions.push_back({1000, item, 0});
  std::shuffle(actions.begin(), actions.end(), random);
  for (size_t i = 0; i < actions.size(); ++i)
    actions[i].time = distinct_times ? static_cast<int64_t>(i) : static_cast<int64_t>(random() % 4);
  std::shuffle(actions.begin(), actions.end(), random);
  return actions;
}

std::string csv(const std::vector<Action>& actions) {
  std::string text = "user_id,item_id,timestamp\n";
  for (const Action& action : actions)
    text += std::to_string(action.user) + "," + std::to_string(action.item) + "," +
            std::to_string(1'000'000'000 + action.time) + "\n";
  return text;
}

TEST(SplitProperty, EveryActionIsInOnePartAndTheLatestAreHeldOut) {
  const TemporaryFolder folder;
  std::mt19937_64 random(3);
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE("case " + std::to_string(round));
    const std::vector<Action> actions = random_actions(random, round % 2 == 0);
    const Dataset data = load(folder.write("log.csv", csv(actions)));
    std::map<int64_t, std::vector<Action>> by_user;
    for (const Action& action : actions) by_user[action.user].push_back(action);
    ASSERT_EQ(data.users, static_cast<int64_t>(by_user.size()));
    int64_t kept = 0, short_users = 0;
    for (int64_t user = 0; user < data.users; ++user) {
      std::vector<Action>& own = by_user.at(data.user_ids.integers[user]);
      std::stable_sort(own.begin(), own.end(),
                       [](const Action& a, const Action& b) { return a.time < b.time; });
      std::vector<int64_t> all;  // as the parts have them, in time order
      for (const int32_t item : sequence(data, user)) all.push_back(data.item_ids.integers[item]);
      const bool held_out = own.size() >= 3;
      short_users += !held_out;
      ASSERT_EQ(data.test_item[user] >= 0, held_out);
      ASSERT_EQ(data.valid_item[user] >= 0, held_out);
      if (held_out)
        for (const int32_t item : {data.valid_item[user], data.test_item[user]})
          all.push_back(data.item_ids.integers[item]);
      ASSERT_EQ(all.size(), own.size());
      for (size_t i = 0; i < own.size(); ++i)
        ASSERT_EQ(all[i], own[i].item) << "user " << own[i].user << ", action " << i;
      kept += static_cast<int64_t>(all.size());

      const std::vector<int32_t> known = history(data, user);
      ASSERT_TRUE(std::is_sorted(known.begin(), known.end(), std::less_equal<>())) << "repeats";
      ASSERT_LT(static_cast<int64_t>(known.size()), data.items);
    }
    EXPECT_EQ(data.actions, kept);
    EXPECT_EQ(data.short_users, short_users);

    std::vector<int64_t> counts(static_cast<size_t>(data.items));
    for (const int32_t item : data.sequence_items) ++counts[static_cast<size_t>(item)];
    ASSERT_TRUE(std::is_sorted(counts.begin(), counts.end(), std::greater<>()));
  }
}

TEST(SplitProperty, TheOrderOfLinesIsNothingWhereTimesDiffer) {
  const TemporaryFolder folder;
  std::mt19937_64 random(4);
  for (int round = 0; round < 40; ++round) {
    std::vector<Action> actions = random_actions(random, true);
    const uint64_t fingerprint = load(folder.write("log.csv", csv(actions))).fingerprint;
    std::shuffle(actions.begin(), actions.end(), random);
    EXPECT_EQ(load(folder.write("log.csv", csv(actions))).fingerprint, fingerprint)
        << "case " << round;
    // A time that moves an action behind the last changes the split.
    const auto first = std::min_element(actions.begin(), actions.end(),
                                        [](auto& a, auto& b) { return a.time < b.time; });
    first->item = 41;  // and it is an item that nobody else has
    EXPECT_NE(load(folder.write("log.csv", csv(actions))).fingerprint, fingerprint)
        << "case " << round;
  }
}

}  // namespace
}  // namespace mgqe

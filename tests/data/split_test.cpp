// Popularity ranks, histories and leave-one-out on random logs, against independent plain loops.
#include "host/data/interactions/split.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "host/data/interactions/id_table.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

struct Log {
  std::vector<std::pair<int64_t, int64_t>> lines;  // (user, item), in time order

  std::string text(char separator = ' ') const {
    std::string text;
    for (const auto& [user, item] : lines)
      text += std::to_string(user) + separator + std::to_string(item) + "\n";
    return text;
  }
};

/// Sparse original ids, a skewed catalogue, repeats, and users with 1 or 2 actions.
Log random_log(unsigned seed) {
  std::mt19937 random(seed);
  Log log;
  for (int i = 0; i < 3000; ++i) {
    const int64_t user = 1000 - random() % 100 * (1 + random() % 7);
    const int64_t item = 3 + 1'000'003 * (random() % (1 + random() % 60));
    log.lines.emplace_back(user, item);
  }
  for (int64_t user = 2001; user < 2011; ++user)
    for (int64_t i = 0; i < 1 + user % 2; ++i) log.lines.emplace_back(user, 3 + i * 1'000'003);
  return log;
}

struct Expected {
  std::map<int64_t, std::vector<int64_t>> training;  // user -> items in time order
  std::map<int64_t, int64_t> valid, test;
  std::vector<int64_t> user_order, item_order;  // most frequent in training first
};

std::vector<int64_t> order_by_count(const std::map<int64_t, int64_t>& counts) {
  std::vector<int64_t> order;
  for (const auto& [id, count] : counts) order.push_back(id);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return counts.at(a) > counts.at(b); });
  return order;
}

Expected expect(const Log& log) {
  Expected expected;
  std::map<int64_t, int64_t> user_counts, item_counts;
  for (const auto& [user, item] : log.lines) {
    expected.training[user].push_back(item);
    item_counts[item] = 0;
  }
  for (auto& [user, items] : expected.training) {
    if (items.size() >= 3) {
      expected.test[user] = items.back();
      items.pop_back();
      expected.valid[user] = items.back();
      items.pop_back();
    }
    user_counts[user] = static_cast<int64_t>(items.size());
    for (const int64_t item : items) ++item_counts[item];
  }
  expected.user_order = order_by_count(user_counts);
  expected.item_order = order_by_count(item_counts);
  return expected;
}

int64_t original(const Dataset& data, int32_t item) {
  return item < 0 ? -1 : data.item_ids.integers[item];
}

int64_t find_or_none(const std::map<int64_t, int64_t>& map, int64_t key) {
  const auto found = map.find(key);
  return found == map.end() ? -1 : found->second;
}

TEST(Split, EqualsPlainLoops) {
  const TemporaryFolder folder;
  for (unsigned seed = 0; seed < 5; ++seed) {
    const Log log = random_log(seed);
    const Expected expected = expect(log);
    const Dataset data = load(folder.write("log.txt", log.text()));
    ASSERT_EQ(data.user_ids.integers, expected.user_order);
    ASSERT_EQ(data.item_ids.integers, expected.item_order);
    EXPECT_EQ(data.short_users, data.users - static_cast<int64_t>(expected.test.size()));
    EXPECT_EQ(data.actions, static_cast<int64_t>(log.lines.size()));
    for (int64_t user = 0; user < data.users; ++user) {
      const int64_t name = data.user_ids.integers[user];
      const std::vector<int64_t>& items = expected.training.at(name);
      std::vector<int64_t> read;
      for (const int32_t item : sequence(data, user)) read.push_back(original(data, item));
      ASSERT_EQ(read, items);
      EXPECT_EQ(original(data, data.test_item[user]), find_or_none(expected.test, name));
      EXPECT_EQ(original(data, data.valid_item[user]), find_or_none(expected.valid, name));

      const std::vector<int32_t> sorted = history(data, user), in_time = sequence(data, user);
      const std::set<int32_t> distinct(in_time.begin(), in_time.end());
      ASSERT_EQ(sorted, std::vector<int32_t>(distinct.begin(), distinct.end()));
    }
  }
}

TEST(Split, StringsAreOrderedByteByByteOnTies) {
  const TemporaryFolder folder;
  // Every item once in training: the order is that of the strings, "10" before "9".
  const Dataset data =
      load(folder.write("log.csv", "u,b\nu,9\nu,B\nu,10\nu,x\nu,y\nv,x\nv,y\nv,z\n"));
  // Training: u: b 9 B 10, v: x.
  EXPECT_EQ(data.item_ids.strings, (std::vector<std::string>{"10", "9", "B", "b", "x", "y", "z"}));
  EXPECT_EQ(data.user_ids.strings, (std::vector<std::string>{"u", "v"}));
}

TEST(Split, TestOnlyHoldsOutOneAction) {
  Actions actions;
  actions.users = {0, 0, 0, 1, 1, 2};
  actions.items = {0, 1, 2, 2, 0, 1};
  actions.user_ids.integers = {10, 11, 12};
  actions.item_ids.integers = {20, 21, 22};
  const Dataset data = arrange("name", "file", actions, HeldOut::kTest, cpu());
  EXPECT_FALSE(data.has_validation);
  EXPECT_EQ(data.short_users, 1);
  EXPECT_EQ(story(data, "10"), "20 21 | - 22");
  EXPECT_EQ(story(data, "11"), "22 | - 20");
  EXPECT_EQ(story(data, "12"), "21 | - -");
}

TEST(CompactIds, RanksSparseValues) {
  std::vector<int32_t> values = {2147483647, 0, 64, 63, 2147483647, 65, 0};
  EXPECT_EQ(compact_ids(values), (std::vector<int64_t>{0, 63, 64, 65, 2147483647}));
  EXPECT_EQ(values, (std::vector<int32_t>{4, 0, 2, 1, 4, 3, 0}));
}

}  // namespace
}  // namespace mgqe

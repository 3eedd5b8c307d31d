// Rows and ids: there and back, for every kind of id, with an order that is stored and with one
// that is built; and no damage leads out of bounds.
#include "host/serve/id_map.hpp"

#include <functional>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "host/io/artifact.hpp"
#include "host/serve/artifact_view.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;

/// Arrays and a column of them.
struct Ids {
  explicit Ids(std::vector<int64_t> values, bool ordered = true) {
    ids.integers = std::move(values);
    finish(ordered);
  }
  explicit Ids(std::vector<std::string> values, bool ordered = true) {
    ids.strings = std::move(values);
    finish(ordered);
  }
  Ids(const Ids&) = delete;
  Ids& operator=(const Ids&) = delete;

  IdMap map() const { return IdMap(column, "ids of x"); }

  OriginalIds ids;
  std::unique_ptr<StoredIds> stored;
  IdColumn column;

 private:
  void finish(bool ordered) {
    stored = std::make_unique<StoredIds>(ids);
    column = stored->column();
    if (!ordered) column.order = {};
  }
};

TEST(IdMap, IntegersThereAndBack) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const bool ordered : {true, false}) {
    const Ids ids(std::vector<int64_t>{70, -2, kMost, kLeast, 0, 1}, ordered);
    const IdMap map = ids.map();
    EXPECT_EQ(map.kind(), IdKind::kIntegers);
    EXPECT_EQ(map.size(), 6);
    for (int64_t r = 0; r < 6; ++r) {
      EXPECT_EQ(map.integer_of(r), ids.ids.integers[r]);
      EXPECT_EQ(map.row_of(map.integer_of(r)), r);
      EXPECT_EQ(map.text_of(r), std::to_string(ids.ids.integers[r]));
      EXPECT_EQ(map.row_of(map.text_of(r)), r);
    }
    for (const int64_t unknown : {int64_t{-1}, int64_t{2}, int64_t{71}, kLeast + 1, kMost - 1})
      EXPECT_EQ(map.row_of(unknown), -1);
    for (const char* unknown : {"", "x", "70x", " 70", "70 ", "7", "+70", "1e3", "70.0",
                                "9223372036854775808", "-9223372036854775809"})
      EXPECT_EQ(map.row_of(unknown), -1) << unknown;
    EXPECT_THROW(map.view_of(0), Error);
    EXPECT_EQ(map.defect(), "");
  }
}

TEST(IdMap, TextsThereAndBack) {
  for (const bool ordered : {true, false}) {
    // Byte by byte: an upper-case letter, a lower-case one, then what is beyond ASCII.
    const Ids ids(std::vector<std::string>{"b", "", "a", "B", "\xC3\xA9", "ab", "4", "-7",
                                           std::string("a\0b", 3)},
                  ordered);
    const IdMap map = ids.map();
    EXPECT_EQ(map.kind(), IdKind::kText);
    for (int64_t r = 0; r < map.size(); ++r) {
      EXPECT_EQ(map.view_of(r), ids.ids.strings[r]);
      EXPECT_EQ(map.text_of(r), ids.ids.strings[r]);
      EXPECT_EQ(map.row_of(ids.ids.strings[r]), r);
    }
    EXPECT_EQ(map.row_of(int64_t{4}), 6);
    EXPECT_EQ(map.row_of(int64_t{-7}), 7);
    EXPECT_EQ(map.row_of(int64_t{5}), -1);
    for (const char* unknown : {"c", "aa", "b ", "\xC3", "\xC3\xA9\x01", "04"})
      EXPECT_EQ(map.row_of(unknown), -1) << unknown;
    EXPECT_THROW(map.integer_of(0), Error);
  }
}

TEST(IdMap, RowsAreTheirOwnIds) {
  const Ids ids(std::vector<int64_t>{0, 1, 2, 3});
  const IdMap map = ids.map();
  EXPECT_EQ(map.kind(), IdKind::kRows);
  EXPECT_EQ(map.row_of(int64_t{3}), 3);
  EXPECT_EQ(map.row_of("2"), 2);
  EXPECT_EQ(map.integer_of(1), 1);
  EXPECT_EQ(map.text_of(1), "1");
  for (const int64_t unknown : {-1, 4}) EXPECT_EQ(map.row_of(unknown), -1);
  EXPECT_EQ(map.row_of("4"), -1);
  EXPECT_EQ(map.row_of("two"), -1);
}

TEST(IdMap, ManyIdsAsAMapOfThemFinds) {
  for (const int64_t count : {1, 2, 3, 1000, 4096, 4097}) {
    std::set<int64_t> distinct;
    for (uint64_t i = 0; static_cast<int64_t>(distinct.size()) < count; ++i)
      distinct.insert(static_cast<int64_t>(random_u64(5, i) % 20'000) - 10'000);
    std::vector<int64_t> integers(distinct.begin(), distinct.end());
    for (size_t i = integers.size(); i > 1; --i)
      std::swap(integers[i - 1], integers[random_u64(6, i) % i]);
    std::vector<std::string> texts;
    std::map<int64_t, int64_t> rows;
    for (int64_t r = 0; r < count; ++r) {
      rows[integers[r]] = r;
      texts.push_back("item" + std::to_string(integers[r]));
    }
    for (const bool ordered : {true, false}) {
      const Ids by_number(integers, ordered), by_text(texts, ordered);
      for (int64_t id = -10'000; id<10'000; id += count> 1000 ? 7 : 1) {
        const auto found = rows.find(id);
        const int64_t row = found == rows.end() ? -1 : found->second;
        ASSERT_EQ(by_number.map().row_of(id), row);
        ASSERT_EQ(by_text.map().row_of("item" + std::to_string(id)), row);
        if (!ordered) id += 500;  // every map sorts anew
      }
    }
  }
}

/// One map, asked often: what it keeps of one search serves the next, whatever ids begin with.
TEST(IdMap, KeepsWhatSearchesMeet) {
  constexpr int64_t kRows = 3000;
  const auto number = [](int64_t r) { return (r * 7919) % kRows; };
  const std::vector<std::function<std::string(int64_t)>> spellings = {
      [](int64_t i) { return fmt::format("{}", i); },
      [](int64_t i) { return fmt::format("item-{:05}", i); },
      [](int64_t i) { return fmt::format("a film with a long name, {}", i); },
      [](int64_t i) { return fmt::format("{}:the same nine bytes:{:02}", i / 50, i % 50); },
      [](int64_t i) { return std::string(static_cast<size_t>(i / 2), 'x') + (i % 2 ? "y" : ""); },
      [](int64_t i) { return std::string(static_cast<size_t>(i), '\xFF'); },
      [](int64_t i) { return std::string(1, static_cast<char>(i % 256)) + std::to_string(i); },
      [](int64_t i) { return std::string(static_cast<size_t>(i), '\0'); }};
  for (const auto& spell : spellings) {
    std::vector<std::string> texts;
    for (int64_t r = 0; r < kRows; ++r) texts.push_back(spell(number(r)));
    const Ids ids(texts);
    const IdMap map = ids.map();
    for (int round = 0; round < 2; ++round)
      for (int64_t r = 0; r < kRows; ++r) {
        ASSERT_EQ(map.row_of(texts[r]), r) << texts[r];
        for (const std::string& unknown : {texts[r] + "\x01", "\x01" + texts[r], texts[r] + "~"})
          ASSERT_EQ(map.row_of(unknown), -1) << unknown;
      }
  }
  std::vector<int64_t> integers;  // neighbours differ in the bit that keys leave out
  for (int64_t r = 0; r < kRows; ++r) integers.push_back(number(r) - kRows / 2);
  const Ids ids(integers);
  const IdMap map = ids.map();
  for (int round = 0; round < 2; ++round)
    for (int64_t id = -2 * kRows; id < 2 * kRows; ++id) {
      const auto found = std::find(integers.begin(), integers.end(), id);
      ASSERT_EQ(map.row_of(id), found == integers.end() ? -1 : found - integers.begin());
    }
}

TEST(IdMap, OfEqualIdsTheFirstRowIsFound) {
  const Ids ids(std::vector<int64_t>{9, 5, 5, 9, 5}, false);
  EXPECT_EQ(ids.map().row_of(int64_t{5}), 1);
  EXPECT_EQ(ids.map().row_of(int64_t{9}), 0);
}

TEST(IdMap, ManyThreadsBuildOneOrder) {
  std::vector<std::string> texts;
  for (int i = 0; i < 20'000; ++i) texts.push_back(std::to_string(random_u64(1, i)));
  const Ids ids(texts, false);
  const IdMap map = ids.map(), copy = map;
  std::vector<std::thread> threads;
  std::atomic<int64_t> wrong = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int64_t r = t; r < 20'000; r += 8)
        wrong += (t % 2 == 0 ? map : copy).row_of(texts[r]) != r;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(IdMap, RefusesRowsThatAreNotThere) {
  const Ids ids(std::vector<int64_t>{7, 8, 4});
  for (const int64_t row : {int64_t{-1}, int64_t{3}, std::numeric_limits<int64_t>::max()}) {
    const std::string message = fmt::format("ids of x: there is no row {} among rows 0 to 2", row);
    EXPECT_EQ(refusal([&] { ids.map().integer_of(row); }), message);
    EXPECT_EQ(refusal([&] { ids.map().text_of(row); }), message);
  }
}

// Whatever stands in the order, a row that is found has the id asked for.
TEST(IdMap, DamagedOrdersNeverLeadAstray) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 50; ++i) values.push_back(i * 3 - 20);
  std::swap(values[3], values[40]);
  Ids ids(values);
  for (uint64_t trial = 0; trial < 2000; ++trial) {
    std::vector<int32_t> order(ids.column.order.begin(), ids.column.order.end());
    for (int damage = 0; damage < 3; ++damage) {
      const uint64_t drawn = random_u64(trial, damage);
      order[drawn % 50] = drawn >> 40 & 1 ? static_cast<int32_t>(drawn >> 8)
                                          : static_cast<int32_t>(drawn >> 8 & 63);
    }
    IdColumn damaged = ids.column;
    damaged.order = order;
    const IdMap map(damaged, "ids of x");
    const int64_t id = values[random_u64(trial, 9) % 50];
    try {
      if (const int64_t row = map.row_of(id); row >= 0) {
        ASSERT_LT(row, 50);
        EXPECT_EQ(map.integer_of(row), id);
      }
    } catch (const InputError& error) {
      EXPECT_CONTAINS(error.what(), "ids of x: order has row ");
    }
  }
}

TEST(IdMap, DamagedOffsetsAreRefused) {
  const Ids ids(std::vector<std::string>{"one", "two", "three"});
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{0, 3, 99, 11}, std::vector<int64_t>{0, 3, -5, 11},
        std::vector<int64_t>{0, 9, 2, 11}}) {
    for (const bool ordered : {true, false}) {
      IdColumn damaged = ids.column;
      damaged.offsets = offsets;
      if (!ordered) damaged.order = {};
      const IdMap map(damaged, "ids of x");
      EXPECT_CONTAINS(refusal([&] { map.view_of(1); }),
                      "ids of x: the text of row 1 would be bytes");
      EXPECT_CONTAINS(refusal([&] { map.row_of("two"); }), "ids of x: ");
      EXPECT_NE(map.defect(), "");
    }
  }
}

}  // namespace
}  // namespace mgqe

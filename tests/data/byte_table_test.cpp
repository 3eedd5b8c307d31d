#include "host/data/text/byte_table.hpp"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace mgqe {
namespace {

TEST(ByteTable, NumbersAsAMapDoes) {
  // Lengths around 8 bytes, where slots stop holding texts whole; few letters, so that many repeat
  // and many differ in one byte.
  std::mt19937 random(3);
  ByteTable table;
  std::map<std::string, uint32_t> expected;
  for (int i = 0; i < 60'000; ++i) {
    std::string key(random() % 13, '\0');
    for (char& c : key) c = "\0ab"[random() % 3];
    const auto [at, added] = expected.emplace(key, static_cast<uint32_t>(expected.size()));
    ASSERT_EQ(table.find(key), added ? ByteTable::kNone : at->second);
    ASSERT_EQ(table.number(key), at->second);
  }
  ASSERT_EQ(table.size(), static_cast<int64_t>(expected.size()));
  EXPECT_GT(table.size(), 10'000);
  for (const auto& [key, number] : expected) {
    ASSERT_EQ(table.find(key), number);
    ASSERT_EQ(table.key(number), key);
  }
}

TEST(ByteTable, ZeroBytesAndLengthsTellTextsApart) {
  ByteTable table;
  const std::string_view keys[] = {"", {"\0", 1}, {"\0\0", 2}, "a", "aa", "aaa", "aaaa", "aaaaa"};
  for (const std::string_view key : keys) table.number(key);
  EXPECT_EQ(table.size(), 8);
}

TEST(HashBytes, SpreadsOverCells) {
  // 50,000 texts over 1,000 cells: 50 each, standard deviation 7.
  std::vector<int> cells(1000);
  for (int i = 0; i < 50'000; ++i) ++cells[hash_bytes("value" + std::to_string(i)) % 1000];
  for (const int count : cells) {
    EXPECT_GT(count, 50 - 6 * 7);
    EXPECT_LT(count, 50 + 6 * 7);
  }
  EXPECT_NE(hash_bytes("a"), hash_bytes({"a\0", 2}));
}

}  // namespace
}  // namespace mgqe

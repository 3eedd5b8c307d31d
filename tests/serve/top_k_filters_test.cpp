// Allowed and blocked rows, as lists and as bitmaps: they leave out what they should, whatever is
// best.
#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/serve/plain_top_k.hpp"

namespace mgqe {
namespace {

using namespace plain_top_k;

std::vector<uint8_t> bitmap_of(const std::vector<int32_t>& sorted, int64_t rows) {
  std::vector<uint8_t> bitmap(static_cast<size_t>((rows + 7) / 8));
  for (const int32_t row : sorted)
    bitmap[static_cast<size_t>(row) / 8] |= static_cast<uint8_t>(1 << (row % 8));
  return bitmap;
}

std::vector<int32_t> random_rows(int64_t rows, double share, Random& random) {
  std::vector<int32_t> list;
  for (int32_t row = 0; row < rows; ++row)
    if (std::uniform_real_distribution<double>()(random) < share) list.push_back(row);
  return list;
}

TEST(TopK, Filters) {
  for (int trial = 0; trial < 24; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    Random random(static_cast<uint64_t>(1000 + trial));
    const Values values = trial % 3 == 0 ? Values::kTies : Values::kNormal;
    const Table table(16, {{300, 256, 8}, {trial % 2 == 0 ? 200 : 0, 1, 4}, {6000, 50, 8}}, values,
                      random);
    const int64_t n = table.rows(), queries = 5, k = trial % 4 == 0 ? 4000 : 30;
    const std::vector<float> q = random_queries(queries, 16, values, random);
    // The best rows of all are blocked: they must not hide those after them.
    std::vector<std::vector<Scored>> all, wanted(queries);
    std::vector<std::vector<int32_t>> each(queries);
    for (int64_t m = 0; m < queries; ++m) {
      all.push_back(score_rows(table, q.data() + m * 16));
      for (const Scored& best : best_of(all.back(), uniform(random, 0, 200)))
        each[static_cast<size_t>(m)].push_back(best.row);
      std::sort(each[static_cast<size_t>(m)].begin(), each[static_cast<size_t>(m)].end());
    }
    const std::vector<int32_t> allow = random_rows(n, trial % 5 == 0 ? 0.01 : 0.7, random);
    const std::vector<int32_t> block = random_rows(n, 0.2, random);
    const std::vector<uint8_t> allow_bits = bitmap_of(allow, n), block_bits = bitmap_of(block, n);
    std::vector<std::vector<uint8_t>> each_bits;
    std::vector<RowFilter> block_each;
    for (int64_t m = 0; m < queries; ++m)
      each_bits.push_back(bitmap_of(each[static_cast<size_t>(m)], n));
    for (size_t m = 0; m < queries; ++m) {
      if (m % 2 == 0) {
        block_each.push_back({each[m], {}});
      } else {
        block_each.push_back({{}, each_bits[m]});
      }
    }
    TopKOptions options;
    options.k = k;
    const bool allows = trial % 2 == 0, blocks = trial % 3 != 1, per_query = trial % 4 < 3;
    if (allows && trial % 4 == 0) options.allow.sorted = allow;
    if (allows && trial % 4 != 0) options.allow.bitmap = allow_bits;
    if (blocks && trial < 12) options.block.sorted = block;
    if (blocks && trial >= 12) options.block.bitmap = block_bits;
    if (per_query) options.block_each = block_each;
    const auto in = [](const std::vector<int32_t>& list, int32_t row) {
      return std::find(list.begin(), list.end(), row) != list.end();
    };
    for (size_t m = 0; m < queries; ++m) {
      std::erase_if(all[m], [&](const Scored& x) {
        return (allows && !in(allow, x.row)) || (blocks && in(block, x.row)) ||
               (per_query && in(each[m], x.row));
      });
      wanted[m] = best_of(all[m], k);
    }
    expect_lists(table, {q.data(), queries, 16}, options, wanted);
    if (HasFatalFailure()) return;
  }
}

/// Short lists are gone through, whatever the table's size: a handful scored, more by their codes.
TEST(TopK, AllowsFew) {
  for (const Values values : {Values::kNormal, Values::kTies, Values::kHuge}) {
    Random random(5);
    Table table(16, {{3000, 40, 8}, {500, 1, 4}, {9000, 10, 8}}, values, random);
    table.bytes[0][0] = 0xFF;  // row 0 has codes that are none
    const int64_t n = table.rows(), queries = 3;
    const std::vector<float> q = random_queries(queries, 16, values, random);
    std::vector<std::vector<Scored>> all;
    for (int64_t m = 0; m < queries; ++m) {
      all.push_back(score_rows(table, q.data() + m * 16));
      all.back().erase(all.back().begin());
    }
    for (const int64_t count : {1, 2, 9, 51, 52, 200, 390, 391})
      for (const int64_t k : {1, 20, 500}) {
        SCOPED_TRACE(std::to_string(count) + " allowed, k " + std::to_string(k));
        std::vector<int32_t> allow;
        for (int64_t i = 0; i < count; ++i) allow.push_back(static_cast<int32_t>(i * n / count));
        allow.back() = static_cast<int32_t>(n - 1);
        const std::vector<uint8_t> bits = bitmap_of(allow, n);
        const std::vector<int32_t> block = {allow[static_cast<size_t>(count / 2)]};
        const std::vector<int32_t> each = {allow[static_cast<size_t>(count / 3)]};
        const std::vector<RowFilter> block_each = {{}, {each, {}}, {}};
        std::vector<std::vector<Scored>> wanted;
        for (int64_t m = 0; m < queries; ++m) {
          std::vector<Scored> left = all[static_cast<size_t>(m)];
          std::erase_if(left, [&](const Scored& x) {
            return !std::binary_search(allow.begin(), allow.end(), x.row) || x.row == block[0] ||
                   (m == 1 && x.row == each[0]);
          });
          wanted.push_back(best_of(left, k));
        }
        TopKOptions options;
        options.k = k;
        options.block.sorted = block;
        options.block_each = block_each;
        options.allow.sorted = allow;
        expect_lists(table, {q.data(), queries, 16}, options, wanted);
        options.allow = {{}, bits};
        expect_lists(table, {q.data(), queries, 16}, options, wanted);
        if (HasFatalFailure()) return;
        TopKStatistics statistics;
        Lists lists(queries, k);
        top_k(table.packed, {q.data(), queries, 16}, options, lists.result(), &statistics);
        EXPECT_EQ(statistics.tiles == 0, count <= n / 32);
        EXPECT_LE(statistics.rescored, queries * count);
      }
  }
}

/// Bits of the last byte beyond the last row are no rows.
TEST(TopK, BitmapsMayEndInOnes) {
  Random random(3);
  const Table table(8, {{1001, 16, 4}}, Values::kNormal, random);
  const std::vector<float> q = random_queries(1, 8, Values::kNormal, random);
  std::vector<uint8_t> bits(126);
  bits[0] = 2;
  bits[125] = 0xFF;  // row 1000, and seven that are none
  TopKOptions options;
  options.allow.bitmap = bits;
  std::vector<Scored> all = score_rows(table, q.data());
  std::erase_if(all, [](const Scored& x) { return x.row != 1 && x.row != 1000; });
  expect_lists(table, {q.data(), 1, 8}, options, {best_of(all, 10)});
}

TEST(TopK, AllowsNothing) {
  Random random(3);
  const Table table(8, {{100, 16, 4}}, Values::kNormal, random);
  const std::vector<float> q = random_queries(1, 8, Values::kNormal, random);
  const std::vector<uint8_t> none(13);
  TopKOptions options;
  options.allow.bitmap = none;
  expect_lists(table, {q.data(), 1, 8}, options, {{}});
}

}  // namespace
}  // namespace mgqe

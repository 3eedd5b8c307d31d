// Top-k from codes against a full sort of scores of decoded rows, over shapes, levels and filters.
#include <gtest/gtest.h>

#include "tests/serve/coded_table.hpp"

namespace mgqe {
namespace {

using testing::CodedShape;
using testing::CodedTable;

constexpr ScanLevel kLevels[] = {ScanLevel::kScalar, ScanLevel::kAvx2, ScanLevel::kAvx512};

struct Lists {
  Lists(int64_t queries, int64_t k)
      : queries(queries),
        k(k),
        rows(static_cast<size_t>(queries * k), -7),
        scores(static_cast<size_t>(queries * k), 7.0f),
        counts(static_cast<size_t>(queries), -7) {}
  TopKResult result() { return {{rows.data(), queries, k}, {scores.data(), queries, k}, counts}; }

  int64_t queries, k;
  std::vector<int32_t> rows;
  std::vector<float> scores;
  std::vector<int64_t> counts;
};

std::vector<float> random_queries(int64_t count, int64_t dim, int levels, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> queries(static_cast<size_t>(count * dim));
  for (float& value : queries)
    value = levels > 0 ? static_cast<float>(random() % static_cast<uint64_t>(levels)) - 1.0f
                       : normal(random);
  return queries;
}

/// Every level, straight and prepared, gives what the sort gives.
void expect_exact(const CodedTable& coded, const std::vector<float>& queries, TopKOptions options,
                  const std::string& what) {
  const int64_t dim = coded.dim(), count = static_cast<int64_t>(queries.size()) / dim;
  const PreparedTiers prepared(coded.table(), 2);
  std::vector<std::vector<CodedTable::Ranked>> wanted;
  for (int64_t m = 0; m < count; ++m)
    wanted.push_back(coded.top_k(queries.data() + m * dim, options.k,
                                 [&](int32_t row) { return options.admits(m, row); }));
  for (const ScanLevel level : kLevels)
    for (const bool straight : {true, false}) {
      options.level = level;
      Lists lists(count, options.k);
      const View<const float> asked(queries.data(), count, dim);
      if (straight)
        top_k(coded.table(), asked, options, lists.result());
      else
        top_k(prepared, asked, options, lists.result());
      for (int64_t m = 0; m < count; ++m) {
        const auto& own = wanted[static_cast<size_t>(m)];
        const std::string where = what + ", level " + std::to_string(static_cast<int>(level)) +
                                  (straight ? ", straight" : ", prepared") + ", query " +
                                  std::to_string(m);
        ASSERT_EQ(lists.counts[static_cast<size_t>(m)], static_cast<int64_t>(own.size())) << where;
        for (int64_t i = 0; i < options.k; ++i) {
          const auto at = static_cast<size_t>(m * options.k + i);
          if (i < static_cast<int64_t>(own.size())) {
            ASSERT_EQ(lists.rows[at], own[static_cast<size_t>(i)].row) << where << ", place " << i;
            ASSERT_EQ(lists.scores[at], own[static_cast<size_t>(i)].score) << where;
          } else {
            ASSERT_EQ(lists.rows[at], -1) << where;
            ASSERT_EQ(lists.scores[at], -std::numeric_limits<float>::infinity()) << where;
          }
        }
      }
    }
}

CodedShape random_shape(std::mt19937_64& random, int64_t most_rows) {
  constexpr int kSubspaces[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 31, 32, 33, 48, 64};
  CodedShape shape;
  shape.subspaces = kSubspaces[random() % std::size(kSubspaces)];
  shape.width = static_cast<int64_t>(1 + random() % (shape.subspaces > 16 ? 2 : 6));
  const int tiers = 1 + static_cast<int>(random() % 4);
  int most = 1 + static_cast<int>(random() % 256);
  if (random() % 3 == 0) most = 256;
  for (int t = 0; t < tiers; ++t) {
    shape.centroids.push_back(most);
    shape.tier_rows.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(most_rows)));
    most = random() % 4 == 0 ? std::min(most, 64) : 1 + static_cast<int>(random() % most);
  }
  return shape;
}

TEST(TopKOfShapes, IsTheSortedListForAnyShape) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const CodedShape shape = random_shape(random, seed % 5 == 0 ? 9000 : 700);
    const int levels = seed % 3 == 0 ? 3 : 0;
    const CodedTable coded(shape, levels, seed);
    constexpr int64_t kCounts[] = {1, 2, 3, 5, 70};
    constexpr int64_t kKs[] = {1, 2, 10, 100, 3000};
    TopKOptions options;
    options.k = kKs[random() % std::size(kKs)];
    options.threads = 1 + static_cast<int>(random() % 3);
    const int64_t count = coded.rows() > 5000 ? 2 : kCounts[random() % std::size(kCounts)];
    expect_exact(coded, random_queries(count, coded.dim(), levels, random), options,
                 "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
  }
}

/// So many rows that lists are full long before the end, and the bound leaves most of them out.
TEST(TopKOfShapes, OfManyRows) {
  std::mt19937_64 random(3);
  for (const int64_t tail : {int64_t{40'000}, int64_t{1} << 17}) {
    const CodedTable coded({8, 8, {5'000, tail + 7}, {256, 64}}, 0, 5);
    TopKOptions options;
    for (const int threads : {1, 3}) {
      options.threads = threads;
      const std::vector<float> queries = random_queries(3, coded.dim(), 0, random);
      expect_exact(coded, queries, options, "threads " + std::to_string(threads));
      if (HasFatalFailure()) return;
      TopKStatistics statistics;
      Lists lists(3, options.k);
      top_k(coded.table(), {queries.data(), 3, coded.dim()}, options, lists.result(), &statistics);
      EXPECT_LT(statistics.rescored, 3 * coded.rows() / 8) << "the bound leaves nothing out";
    }
  }
}

TEST(TopKOfShapes, PrefixesOfALongerListAreTheShorterOnes) {
  const CodedTable coded({2, 16, {1'000, 19'000}, {200, 50}}, 4, 6);
  std::mt19937_64 random(4);
  const std::vector<float> queries = random_queries(2, coded.dim(), 4, random);
  const View<const float> asked(queries.data(), 2, coded.dim());
  Lists longest(2, kMaxTopK);
  top_k(coded.table(), asked, {.k = kMaxTopK}, longest.result());
  for (const int64_t k : {1, 7, 100, 5000}) {
    Lists lists(2, k);
    top_k(coded.table(), asked, {.k = k}, lists.result());
    for (int64_t m = 0; m < 2; ++m)
      for (int64_t i = 0; i < k; ++i)
        ASSERT_EQ(lists.rows[static_cast<size_t>(m * k + i)],
                  longest.rows[static_cast<size_t>(m * kMaxTopK + i)]);
  }
}

TEST(TopKOfShapes, LeavesOutWhatFiltersSay) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    std::mt19937_64 random(seed);
    const CodedTable coded({3, 8, {900, 4000, 300}, {100, 64, 1}}, seed % 2 == 0 ? 3 : 0, seed);
    const std::vector<float> queries =
        random_queries(4, coded.dim(), seed % 2 == 0 ? 3 : 0, random);
    // Of every sort: few and many rows, the best ones among them, none at all.
    std::vector<std::vector<int32_t>> sets;
    for (const double share : {0.0, 0.01, 0.4, 0.97, 1.0}) {
      std::vector<int32_t>& set = sets.emplace_back();
      for (int32_t row = 0; row < coded.rows(); ++row)
        if (std::uniform_real_distribution<>()(random) < share) set.push_back(row);
    }
    sets.emplace_back();
    for (const auto& ranked : coded.top_k(queries.data(), 40, [](int32_t) { return true; }))
      sets.back().push_back(ranked.row);
    std::sort(sets.back().begin(), sets.back().end());
    std::vector<std::vector<uint8_t>> maps;
    for (const auto& set : sets) {
      std::vector<uint8_t>& map = maps.emplace_back(static_cast<size_t>((coded.rows() + 7) / 8));
      for (const int32_t row : set)
        map[static_cast<size_t>(row) / 8] |= static_cast<uint8_t>(1 << row % 8);
    }
    static const int32_t none = 0;
    const auto filter = [&](uint64_t n) {
      const size_t which = n % sets.size();
      if (n / sets.size() % 2 == 0) return RowFilter{.bitmap = maps[which]};
      if (sets[which].empty()) return RowFilter{.sorted = {&none, 0}};
      return RowFilter{.sorted = sets[which]};
    };
    TopKOptions options;
    options.k = seed % 4 == 0 ? 900 : 10;
    options.threads = 1 + static_cast<int>(seed % 2);
    if (seed % 3 != 0) options.allow = filter(random());
    if (seed % 3 != 1) options.block = filter(random());
    std::vector<RowFilter> each;
    for (int m = 0; m < 4; ++m) each.push_back(filter(random()));
    if (seed % 2 == 0) options.block_each = each;
    expect_exact(coded, queries, options, "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
  }
}

TEST(TopKOfShapes, OfQueriesOfAnySize) {
  const CodedTable coded({4, 8, {500, 6000}, {256, 33}}, 0, 9);
  std::mt19937_64 random(5);
  const std::vector<float> unit = random_queries(2, coded.dim(), 0, random);
  for (const float scale : {0.0f, 1e-45f, 1e-38f, 1e-20f, 1e20f, 3e37f, 3e38f, -1.0f}) {
    std::vector<float> queries = unit;
    for (float& value : queries) {
      value *= scale;
      if (!std::isfinite(value)) value = std::copysign(std::numeric_limits<float>::max(), value);
    }
    expect_exact(coded, queries, {.k = 20}, "scale " + std::to_string(scale));
    if (HasFatalFailure()) return;
  }
}

/// Scores that differ by less than their rounding: a bound without slack would lose some.
TEST(TopKOfShapes, OfScoresThatRoundingTellsApart) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::mt19937_64 random(seed);
    const CodedTable coded({8, 8, {64, 30'000}, {4, 3}}, 0, seed);
    std::vector<float> queries = random_queries(2, coded.dim(), 0, random);
    for (size_t i = 0; i + 1 < queries.size(); i += 2) queries[i + 1] = -queries[i] * 1.0000001f;
    expect_exact(coded, queries, {.k = 50}, "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
  }
}

/// 200 centroids leave room for 56 codes that are none.
TEST(TopKOfShapes, PassesOverRowsWithCodesThatAreNone) {
  CodedTable coded({2, 8, {6'000}, {200}}, 0, 11);
  std::vector<uint8_t>& packed = coded.packed(0);
  for (size_t i = 0; i < packed.size(); i += 1001) packed[i] = 255;
  std::mt19937_64 random(6);
  const std::vector<float> queries = random_queries(2, coded.dim(), 0, random);
  for (const ScanLevel level : kLevels) {
    Lists lists(2, 6'000);
    top_k(coded.table(), {queries.data(), 2, coded.dim()}, {.k = 6'000, .level = level},
          lists.result());
    for (const int64_t count : lists.counts) EXPECT_EQ(count, 6'000 - 48);
    for (const int32_t row : lists.rows)
      for (int j = 0; row >= 0 && j < 8; ++j)
        EXPECT_NE(packed[static_cast<size_t>(row * 8 + j)], 255);
  }
}

TEST(TopKOfShapes, ScoresAreCloseToThoseInDoubles) {
  const CodedTable coded({8, 8, {3'000}, {256}}, 0, 12);
  std::mt19937_64 random(7);
  const std::vector<float> query = random_queries(1, coded.dim(), 0, random);
  Lists lists(1, 3'000);
  top_k(coded.table(), {query.data(), 1, coded.dim()}, {.k = 3'000}, lists.result());
  for (size_t i = 0; i < 3'000; ++i)
    ASSERT_NEAR(lists.scores[i], coded.exact_score(query.data(), lists.rows[i]),
                64 * 64 * 0x1p-24 * 4);  // d roundings of partial sums of at most some tens
}

}  // namespace
}  // namespace mgqe

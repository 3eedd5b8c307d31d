// Top-k of coded tables against rows that plain loops decode, score and sort: the same bits at
// every level, prepared or not, for any number of threads and queries.
#include "host/serve/scan/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "host/serve/scan/kernels.hpp"
#include "tests/serve/plain_top_k.hpp"

namespace mgqe {
namespace {

using namespace plain_top_k;

void expect_exact(const Table& table, int64_t queries, int64_t k, Values values, Random& random) {
  const std::vector<float> q = random_queries(queries, table.d, values, random);
  std::vector<std::vector<Scored>> wanted;
  for (int64_t m = 0; m < queries; ++m)
    wanted.push_back(best_of(score_rows(table, q.data() + m * table.d), k));
  TopKOptions options;
  options.k = k;
  expect_lists(table, {q.data(), queries, table.d}, options, wanted);
}

std::vector<Table::Tier> random_shape(int64_t d, int64_t most_rows, Random& random) {
  std::vector<Table::Tier> shape;
  int64_t most_centroids = 256;
  for (int64_t tiers = uniform(random, 1, 4); tiers > 0; --tiers) {
    int subspaces = 0;
    do {
      subspaces = static_cast<int>(uniform(random, 1, std::min<int64_t>(d, 64)));
    } while (d % subspaces != 0);
    most_centroids = uniform(random, 0, 3) == 0 ? uniform(random, 1, most_centroids)
                                                : std::min<int64_t>(most_centroids, 256);
    const int64_t rows = uniform(random, 0, 5) == 0 ? 0 : uniform(random, 1, most_rows);
    shape.push_back({rows, static_cast<int>(most_centroids), subspaces});
  }
  return shape;
}

TEST(TopK, RandomShapes) {
  for (int trial = 0; trial < 48; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    Random random(static_cast<uint64_t>(trial));
    const int64_t d =
        uniform(random, 0, 1) == 0 ? int64_t{1} << uniform(random, 0, 6) : uniform(random, 1, 96);
    const Values of_table = kAllValues[trial % 6], of_queries = kAllValues[trial / 6 % 6];
    const Table table(d, random_shape(d, trial % 4 == 0 ? 3000 : 300, random), of_table, random);
    const int64_t k = trial % 5 == 0 ? 10'000 : uniform(random, 1, 60);
    expect_exact(table, trial % 10 == 0 ? 70 : uniform(random, 1, 4), k, of_queries, random);
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, EveryRowSize) {  // bits by subspaces: every way of unpacking, ends of tiles and tables
  for (int bits = 0; bits <= 8; ++bits)
    for (const int subspaces : {1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 64}) {
      Random random(static_cast<uint64_t>(bits * 100 + subspaces));
      const int centroids =
          bits == 0 ? 1 : static_cast<int>(uniform(random, (1 << bits) / 2 + 1, 1 << bits));
      for (const int64_t rows : {1, 63, 64, 65, 130, 1025}) {
        SCOPED_TRACE(std::to_string(bits) + " bits, D = " + std::to_string(subspaces) + ", rows " +
                     std::to_string(rows));
        const Table table(subspaces, {{rows, centroids, subspaces}}, Values::kNormal, random);
        expect_exact(table, 2, 7, Values::kNormal, random);
        if (HasFatalFailure()) return;
      }
    }
}

TEST(TopK, ManyRows) {  // several blocks and pieces: thresholds rise on the way
  struct Case {
    int64_t rows, d;
    int centroids, subspaces;
    int64_t k;
    Values values;
  };
  const Case cases[] = {
      {(1 << 20) + 7, 16, 64, 8, 10, Values::kNormal}, {200'003, 8, 256, 8, 3000, Values::kNormal},
      {100'000, 64, 64, 32, 100, Values::kNormal},     {70'001, 4, 3, 2, 1000, Values::kTies},
      {66'000, 8, 200, 4, 10'000, Values::kConstant},  {90'000, 12, 100, 6, 1, Values::kOffset},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::to_string(c.rows) + " rows");
    Random random(static_cast<uint64_t>(c.rows));
    const Table table(c.d,
                      {{c.rows / 10, std::min(256, 4 * c.centroids), c.subspaces},
                       {c.rows - c.rows / 10, c.centroids, c.subspaces}},
                      c.values, random);
    expect_exact(table, 2, c.k, c.values, random);
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, SmallerListsArePrefixes) {
  Random random(5);
  const Table table(16, {{500, 256, 8}, {9000, 20, 8}}, Values::kTies, random);
  const std::vector<float> q = random_queries(3, 16, Values::kTies, random);
  Lists whole(3, 10'000);
  TopKOptions options;
  options.k = 10'000;
  top_k(table.packed, {q.data(), 3, 16}, options, whole.result());
  for (const int64_t k : {1, 2, 10, 100, 257, 5000}) {
    Lists lists(3, k);
    options.k = k;
    top_k(table.packed, {q.data(), 3, 16}, options, lists.result());
    for (int64_t m = 0; m < 3; ++m)
      for (int64_t i = 0; i < k; ++i)
        ASSERT_EQ(lists.rows[static_cast<size_t>(m * k + i)],
                  whole.rows[static_cast<size_t>(m * 10'000 + i)]);
  }
}

TEST(TopK, BatchesAreTheirQueries) {
  Random random(6);
  const Table table(24, {{400, 256, 12}, {20'000, 64, 12}}, Values::kNormal, random);
  const int64_t count = 300;  // more than are scanned together
  const std::vector<float> q = random_queries(count, 24, Values::kNormal, random);
  const PreparedTiers prepared(table.packed, 2);
  Lists batch(count, 20);
  TopKOptions options;
  options.k = 20;
  options.threads = 2;
  top_k(prepared, {q.data(), count, 24}, options, batch.result());
  options.threads = 1;
  for (int64_t m = 0; m < count; ++m) {
    Lists one(1, 20);
    top_k(table.packed, {q.data() + m * 24, 1, 24}, options, one.result());
    ASSERT_TRUE(std::equal(one.rows.begin(), one.rows.end(), batch.rows.begin() + m * 20)) << m;
    ASSERT_TRUE(std::equal(one.scores.begin(), one.scores.end(), batch.scores.begin() + m * 20));
  }
}

// ---- what cannot be -----------------------------------------------------------------------------

class TopKRefuses : public testing::Test {
 protected:
  std::string message() {
    Lists lists(queries.rows, options.k > 0 ? options.k : 1);
    try {
      top_k(table.packed, queries, options, lists.result());
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  Random random{1};
  Table table{8, {{100, 16, 4}}, Values::kNormal, random};
  std::vector<float> q = random_queries(2, 8, Values::kNormal, random);
  View<const float> queries{q.data(), 2, 8};
  TopKOptions options;
};

TEST_F(TopKRefuses, Numbers) {
  options.k = 0;
  EXPECT_EQ(message(), "k is 0; it may be 1 to 10000");
  options.k = 10'001;
  EXPECT_EQ(message(), "k is 10001; it may be 1 to 10000");
  options.k = 5;
  options.threads = 0;
  EXPECT_EQ(message(), "threads is 0; it must be 1 or more");
  options.threads = 1;
  EXPECT_EQ(message(), "");
  queries.cols = 4;
  EXPECT_EQ(message(), "queries of 4 columns for a table of dimension 8");
}

TEST_F(TopKRefuses, QueriesThatAreNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    q[11] = bad;
    EXPECT_NE(message().find("query 1 has"), std::string::npos) << message();
    float score;
    EXPECT_THROW(scores_of(table.packed, {q.data() + 8, 1, 8}, {}, {&score, 0}), InputError);
  }
}

TEST_F(TopKRefuses, Filters) {
  const std::vector<int32_t> twice{3, 3}, descends{5, 4}, beyond{99, 100}, below{-1, 4}, good{1, 2};
  const std::vector<uint8_t> longer(14), right(13);
  const auto with = [&](RowFilter filter) {
    options = {};
    options.allow = filter;
    const std::string as_allow = message();
    options.allow = {};
    options.block = filter;
    EXPECT_EQ(message().empty(), as_allow.empty());
    options.block = {};
    const RowFilter each[] = {{}, filter};
    options.block_each = each;
    const std::string as_each = message();
    EXPECT_EQ(as_each.empty(), as_allow.empty());
    options.block_each = {each, 1};
    EXPECT_EQ(message(), "block_each has 1 filters for 2 queries");
    return as_each;
  };
  EXPECT_EQ(with({good, {}}), "");
  EXPECT_EQ(with({{}, right}), "");
  EXPECT_EQ(with({good, right}),
            "block_each of query 1 has both a sorted list and a bitmap: give one");
  EXPECT_EQ(with({{}, longer}),
            "block_each of query 1: a bitmap of 14 bytes where 100 rows take 13");
  EXPECT_EQ(with({twice, {}}),
            "block_each of query 1: row 3 after row 3; rows must ascend, each once");
  EXPECT_EQ(with({descends, {}}),
            "block_each of query 1: row 4 after row 5; rows must ascend, each once");
  EXPECT_EQ(with({beyond, {}}), "block_each of query 1: row 100 of a table of 100 rows");
  EXPECT_EQ(with({below, {}}), "block_each of query 1: row -1 of a table of 100 rows");
}

// ---- damaged files, scores ----------------------------------------------------------------------

TEST(TopK, CodesBeyondTheCodebookNeverEnter) {
  for (const int bits : {2, 5, 6, 7, 8}) {
    SCOPED_TRACE(bits);
    Random random(static_cast<uint64_t>(bits));
    const int codes = 1 << bits, centroids = codes / 2 + 1;
    Table table(8, {{3000, codes, 8}}, Values::kNormal, random);
    const std::vector<float> q = random_queries(3, 8, Values::kNormal, random);
    std::vector<std::vector<Scored>> wanted;
    std::vector<int64_t> rows(3000);
    std::iota(rows.begin(), rows.end(), 0);
    table.packed.ranges.centroids[0] = centroids;
    for (int64_t m = 0; m < 3; ++m) {
      std::vector<Scored> all = score_rows(table, q.data() + m * 8);
      std::vector<float> by_rows(3000), by_range(3000);
      scores_of(table.packed, {q.data() + m * 8, 1, 8}, rows, by_rows);
      scores(table.packed, {q.data() + m * 8, 1, 8}, 0, {by_range.data(), 1, 3000});
      for (Scored& x : all) {
        bool known = true;
        for (int j = 0; j < 8; ++j)
          known &= table.codes[0][static_cast<size_t>(x.row * 8 + j)] < centroids;
        if (!known) x.score = std::numeric_limits<float>::quiet_NaN();
        EXPECT_EQ(std::isnan(by_rows[static_cast<size_t>(x.row)]), !known);
        EXPECT_EQ(std::isnan(by_range[static_cast<size_t>(x.row)]), !known);
      }
      wanted.push_back(best_of(all, 50));
    }
    // Only the centroids that there are may be read: the rest of the codebook goes away.
    table.codebooks[0].resize(static_cast<size_t>(centroids * 8));
    table.codebooks[0].shrink_to_fit();
    table.packed.tiers[0].codebook = table.codebooks[0].data();
    TopKOptions options;
    options.k = 50;
    expect_lists(table, {q.data(), 3, 8}, options, wanted);
    if (HasFatalFailure()) return;
  }
}

TEST(TopK, CentroidsThatAreNoNumbersNeverEnter) {
  Random random(9);
  Table table(8, {{2000, 16, 4}}, Values::kNormal, random);
  table.codebooks[0][3 * 8 + 5] = std::numeric_limits<float>::quiet_NaN();
  table.codebooks[0][6 * 8 + 1] = std::numeric_limits<float>::infinity();
  expect_exact(table, 3, 40, Values::kNormal, random);
}

TEST(Scores, AreThoseOfDecodedRows) {
  Random random(4);
  const Table table(24, {{70, 200, 12}, {30, 1, 3}, {501, 33, 8}}, Values::kNormal, random);
  const std::vector<float> q = random_queries(2, 24, Values::kNormal, random);
  std::vector<float> range(2 * 500), listed(4);
  scores(table.packed, {q.data(), 2, 24}, 65, {range.data(), 2, 500});
  for (int64_t m = 0; m < 2; ++m) {
    const std::vector<Scored> all = score_rows(table, q.data() + m * 24);
    for (int64_t i = 0; i < 500; ++i)
      ASSERT_EQ(range[static_cast<size_t>(m * 500 + i)], all[static_cast<size_t>(65 + i)].score);
    const std::vector<int64_t> rows{600, 0, 71, 600};
    scores_of(table.packed, {q.data() + m * 24, 1, 24}, rows, listed);
    for (size_t i = 0; i < 4; ++i) ASSERT_EQ(listed[i], all[static_cast<size_t>(rows[i])].score);
  }
  EXPECT_THROW(scores(table.packed, {q.data(), 2, 24}, 102, {range.data(), 2, 500}), InputError);
  EXPECT_THROW(scores(table.packed, {q.data(), 2, 24}, -1, {range.data(), 2, 500}), InputError);
  EXPECT_THROW(
      scores_of(table.packed, {q.data(), 1, 24}, std::vector<int64_t>{601}, {listed.data(), 1}),
      InputError);
}

TEST(TopK, StatisticsTellWhatWasRuledOut) {
  Random random(12);
  const Table table(32, {{60'000, 64, 8}}, Values::kNormal, random);
  const std::vector<float> q = random_queries(2, 32, Values::kNormal, random);
  Lists lists(2, 10);
  TopKStatistics statistics;
  top_k(table.packed, {q.data(), 2, 32}, {}, lists.result(), &statistics);
  EXPECT_EQ(statistics.tiles, 2 * ((60'000 + 63) / 64));
  EXPECT_GT(statistics.early_exits, statistics.tiles / 10);
  EXPECT_LE(statistics.rescored, statistics.bounded);
  EXPECT_GE(statistics.rescored, 20);
  EXPECT_LT(statistics.rescored, 1000);
}

TEST(PreparedTiers, TakeTheMemoryOfTheCodes) {
  Random random(13);
  const Table table(32, {{6400, 256, 8}, {0, 80, 8}, {64'000, 64, 8}, {100, 1, 8}}, Values::kNormal,
                    random);
  const PreparedTiers prepared(table.packed, 2);
  EXPECT_EQ(prepared.bytes(), 6400 * 8 + 64'000 * 6);
}

}  // namespace
}  // namespace mgqe

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

namespace mgqe {
namespace {

using Random = std::mt19937_64;

int64_t uniform(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

enum class Values { kNormal, kTies, kConstant, kHuge, kTiny, kOffset };
constexpr Values kAllValues[] = {Values::kNormal, Values::kTies, Values::kConstant,
                                 Values::kHuge,   Values::kTiny, Values::kOffset};

float value(Random& random, Values values) {
  const float x = std::normal_distribution<float>()(random);
  switch (values) {
    case Values::kNormal:
      return x;
    case Values::kTies:
      return static_cast<float>(uniform(random, -1, 1));
    case Values::kConstant:
      return 0.5f;
    case Values::kHuge:
      return x * 1e19f;
    case Values::kTiny:
      return x * 1e-22f;
    case Values::kOffset:
      return 1000.0f + x;
  }
  return x;
}

/// A table of tiers with codes as integers, and packed.
struct Table {
  struct Tier {
    int64_t rows;
    int centroids, subspaces;
  };

  Table(int64_t d, const std::vector<Tier>& shape, Values values, Random& random) : d(d) {
    packed.dim = d;
    packed.ranges.count = static_cast<int>(shape.size());
    codes.resize(shape.size());
    bytes.resize(shape.size());
    codebooks.resize(shape.size());
    int64_t end = 0;
    for (size_t t = 0; t < shape.size(); ++t) {
      const auto [rows, centroids, subspaces] = shape[t];
      for (int64_t i = 0; i < centroids * d; ++i) codebooks[t].push_back(value(random, values));
      for (int64_t i = 0; i < rows * subspaces; ++i)
        codes[t].push_back(static_cast<int>(uniform(random, 0, centroids - 1)));
      end += rows;
      packed.ranges.end[t] = end;
      packed.ranges.centroids[t] = centroids;
      int bits = 0;
      while ((1 << bits) < centroids) ++bits;
      pack(t, rows, subspaces, bits);
      packed.tiers[t] = {bytes[t].data(), codebooks[t].data(), bits, subspaces};
    }
  }

  void pack(size_t t, int64_t rows, int subspaces, int bits) {
    const int64_t row_bytes = (subspaces * bits + 7) / 8;
    bytes[t].assign(static_cast<size_t>(rows * row_bytes), 0);
    for (int64_t r = 0; r < rows; ++r)
      for (int bit = 0; bit < subspaces * bits; ++bit)
        if (codes[t][static_cast<size_t>(r * subspaces + bit / bits)] >> (bit % bits) & 1)
          bytes[t][static_cast<size_t>(r * row_bytes + bit / 8)] |=
              static_cast<uint8_t>(1 << (bit % 8));
  }

  int64_t rows() const { return packed.ranges.end[packed.ranges.count - 1]; }

  std::vector<float> decode(int64_t row) const {
    size_t t = 0;
    while (row >= packed.ranges.end[t]) ++t;
    const int64_t place = row - (t == 0 ? 0 : packed.ranges.end[t - 1]);
    const int subspaces = packed.tiers[t].subspaces;
    std::vector<float> out;
    for (int64_t i = 0; i < d; ++i) {
      const int64_t j = i / (d / subspaces);
      const int code = codes[t][static_cast<size_t>(place * subspaces + j)];
      out.push_back(codebooks[t][static_cast<size_t>(code * d + i)]);
    }
    return out;
  }

  int64_t d;
  std::vector<std::vector<int>> codes;      // (rows, D) of each tier
  std::vector<std::vector<uint8_t>> bytes;  // packed
  std::vector<std::vector<float>> codebooks;
  PackedTiers packed;
};

struct Scored {
  float score;
  int32_t row;
};

/// Every row's score by one query; a chain in floats, which a sum in doubles has to be close to.
std::vector<Scored> score_rows(const Table& table, const float* query) {
  std::vector<Scored> all;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const std::vector<float> x = table.decode(row);
    float score = 0.0f;
    double sum = 0.0, magnitude = 0.0;
    for (int64_t i = 0; i < table.d; ++i) {
      const double term = static_cast<double>(query[i]) * x[static_cast<size_t>(i)];
      score = std::fma(query[i], x[static_cast<size_t>(i)], score);
      sum += term;
      magnitude += std::abs(term);
    }
    // gamma_d in floats and as much again for the sum in doubles and underflow
    if (std::isfinite(score) && magnitude < 1e38) {
      EXPECT_NEAR(score, sum, 0x1p-23 * static_cast<double>(table.d) * magnitude + 1e-43);
    }
    all.push_back({score, static_cast<int32_t>(row)});
  }
  return all;
}

std::vector<Scored> best_of(std::vector<Scored> all, int64_t k) {
  std::erase_if(all, [](const Scored& x) { return std::isnan(x.score); });
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  });
  if (static_cast<int64_t>(all.size()) > k) all.resize(static_cast<size_t>(k));
  return all;
}

struct Lists {
  Lists(int64_t queries, int64_t k)
      : k(k),
        rows(static_cast<size_t>(queries * k), -7),
        scores(static_cast<size_t>(queries * k), -7.0f),
        counts(static_cast<size_t>(queries), -7) {}
  TopKResult result() {
    const auto queries = static_cast<int64_t>(counts.size());
    return {{rows.data(), queries, k}, {scores.data(), queries, k}, counts};
  }
  void expect_line(int64_t m, const std::vector<Scored>& wanted) const {
    ASSERT_EQ(counts[static_cast<size_t>(m)], static_cast<int64_t>(wanted.size())) << "query " << m;
    for (int64_t i = 0; i < k; ++i) {
      const bool there = i < static_cast<int64_t>(wanted.size());
      const Scored is{scores[static_cast<size_t>(m * k + i)], rows[static_cast<size_t>(m * k + i)]};
      const Scored right = there ? wanted[static_cast<size_t>(i)]
                                 : Scored{-std::numeric_limits<float>::infinity(), -1};
      ASSERT_EQ(is.row, right.row)
          << "query " << m << ", place " << i << ", scores " << is.score << " and " << right.score;
      ASSERT_EQ(std::memcmp(&is.score, &right.score, sizeof(float)), 0)
          << "query " << m << ", place " << i << ": " << is.score << " and " << right.score;
    }
  }

  int64_t k;
  std::vector<int32_t> rows;
  std::vector<float> scores;
  std::vector<int64_t> counts;
};

constexpr ScanLevel kLevels[] = {ScanLevel::kScalar, ScanLevel::kAvx2, ScanLevel::kAvx512};

/// Every level, prepared and not, with one thread and several.
void expect_lists(const Table& table, View<const float> queries, TopKOptions options,
                  const std::vector<std::vector<Scored>>& wanted) {
  const PreparedTiers prepared(table.packed);
  for (const ScanLevel level : kLevels)
    for (const bool straight : {true, false})
      for (const int threads : {1, 3}) {
        SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)) +
                     (straight ? ", straight, " : ", prepared, ") + std::to_string(threads));
        Lists lists(queries.rows, options.k);
        options.level = level;
        options.threads = threads;
        if (straight) {
          top_k(table.packed, queries, options, lists.result());
        } else {
          top_k(prepared, queries, options, lists.result());
        }
        for (int64_t m = 0; m < queries.rows; ++m) {
          lists.expect_line(m, wanted[static_cast<size_t>(m)]);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
}

std::vector<float> random_queries(int64_t count, int64_t d, Values values, Random& random) {
  std::vector<float> queries;
  for (int64_t i = 0; i < count * d; ++i) queries.push_back(value(random, values));
  return queries;
}

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

// ---- filters ------------------------------------------------------------------------------------

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

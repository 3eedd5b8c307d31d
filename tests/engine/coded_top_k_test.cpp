// Top-k of a table on a device against the CPU's, to the bit, and against a sort of all scores:
// over shapes, filters, ways and plans.
#include "host/engine/coded_top_k.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "host/serve/decoded_top_k.hpp"
#include "host/serve/scan/device_tiers.hpp"
#include "tests/serve/coded_table.hpp"
#include "tests/support/scale.hpp"

namespace mgqe::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// How a device goes about it; results do not depend on it.
struct Manner {
  TopKWay way = TopKWay::kChosen;
  int64_t first_rows = 0, capacity = 0;
};

RowSelection selection_of(const RowFilter& filter) {
  return {filter.sorted.data(), static_cast<int64_t>(filter.sorted.size()), filter.bitmap.data()};
}

class CodedTopKOn : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<CodedTopK> put(const PackedTiers& table) {
    try {
      return make_coded_top_k(GetParam(), table);
    } catch (const InputError& error) {
      no_device_ = error.what();
      return nullptr;
    }
  }
  void SetUp() override {
    const CodedTable one({1, 1, {1}, {1}}, 0, 1);
    if (put(one.table()) == nullptr) GTEST_SKIP() << no_device_;
  }

  static TopKBuffers search(CodedTopK& device, View<const float> queries,
                            const TopKOptions& options, const Manner& manner) {
    TopKBuffers lists(queries.rows, options.k);
    std::fill(lists.rows.begin(), lists.rows.end(), -7);
    std::fill(lists.scores.begin(), lists.scores.end(), 7.0f);
    std::fill(lists.counts.begin(), lists.counts.end(), -7);
    std::vector<RowSelection> each;
    for (const RowFilter& filter : options.block_each) each.push_back(selection_of(filter));
    CodedTopKCall call;
    call.queries = queries;
    call.k = options.k;
    call.allow = selection_of(options.allow);
    call.block = selection_of(options.block);
    call.block_each = each.empty() ? nullptr : each.data();
    call.rows = lists.result().rows;
    call.scores = lists.result().scores;
    call.counts = lists.counts.data();
    call.way = manner.way;
    call.first_rows = manner.first_rows;
    call.capacity = manner.capacity;
    device.top_k(call);
    return lists;
  }

  /// The lists of each manner are the CPU's.
  void expect_lists(const PackedTiers& table, const std::vector<float>& queries,
                    const TopKOptions& options, const std::vector<Manner>& manners) {
    const View<const float> asked(queries.data(), static_cast<int64_t>(queries.size()) / table.dim,
                                  table.dim);
    TopKBuffers wanted(asked.rows, options.k);
    top_k(table, asked, options, wanted.result());
    const std::unique_ptr<CodedTopK> device = put(table);
    for (const Manner& manner : manners) {
      SCOPED_TRACE(::testing::Message() << "way " << static_cast<int>(manner.way) << ", first "
                                        << manner.first_rows << ", capacity " << manner.capacity
                                        << ", k " << options.k << ", queries " << asked.rows);
      const TopKBuffers lists = search(*device, asked, options, manner);
      ASSERT_EQ(lists.counts, wanted.counts);
      ASSERT_EQ(lists.rows, wanted.rows);
      ASSERT_EQ(std::memcmp(lists.scores.data(), wanted.scores.data(),
                            sizeof(float) * wanted.scores.size()),
                0);
    }
  }

  std::string no_device_;
};

std::vector<float> random_queries(int64_t count, int64_t dim, int levels, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> queries(static_cast<size_t>(count * dim));
  for (float& value : queries)
    value = levels > 0 ? static_cast<float>(random() % static_cast<uint64_t>(levels)) - 1.0f
                       : normal(random);
  return queries;
}

constexpr TopKWay kWays[] = {TopKWay::kTables, TopKWay::kProducts};

/// Both ways, as chosen and with plans so small that there are many chunks.
std::vector<Manner> manners(int64_t first_rows, int64_t capacity) {
  std::vector<Manner> all = {{}};
  for (const TopKWay way : kWays) all.push_back({way, first_rows, capacity});
  return all;
}

CodedShape random_shape(std::mt19937_64& random, int64_t most_rows) {
  constexpr int kSubspaces[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 32, 33, 48, 64};
  CodedShape shape;
  shape.subspaces = kSubspaces[random() % std::size(kSubspaces)];
  shape.width = static_cast<int64_t>(1 + random() % (shape.subspaces > 16 ? 2 : 6));
  const int tiers = 1 + static_cast<int>(random() % 4);
  int most = random() % 3 == 0 ? 256 : 1 + static_cast<int>(random() % 256);
  for (int t = 0; t < tiers; ++t) {
    shape.centroids.push_back(most);
    shape.tier_rows.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(most_rows)));
    most = random() % 4 == 0 ? std::min(most, 64) : 1 + static_cast<int>(random() % most);
  }
  return shape;
}

TEST_P(CodedTopKOn, IsTheListOfTheCpuForAnyShape) {
  const uint64_t seeds = static_cast<uint64_t>(scaled(120, 24));
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const CodedShape shape = random_shape(random, seed % 6 == 0 ? 2000 : 300);
    const int levels = seed % 3 == 0 ? 3 : 0;
    const CodedTable coded(shape, levels, seed);
    constexpr int64_t kCounts[] = {1, 2, 3, 5, 9, 35};
    constexpr int64_t kKs[] = {1, 2, 10, 100, 3000};
    TopKOptions options;
    options.k = kKs[random() % std::size(kKs)];
    const int64_t count = kCounts[random() % std::size(kCounts)];
    const auto first = static_cast<int64_t>(random() % 40), capacity = first + 20 * options.k;
    expect_lists(coded.table(), random_queries(count, coded.dim(), levels, random), options,
                 manners(first, capacity));
    if (HasFatalFailure()) return;
  }
}

/// Not by way of the CPU's.
TEST_P(CodedTopKOn, IsTheSortedList) {
  const CodedTable coded({2, 8, {300, 900}, {256, 64}}, 3, 2);
  std::mt19937_64 random(2);
  const std::vector<float> queries = random_queries(3, coded.dim(), 3, random);
  const std::unique_ptr<CodedTopK> device = put(coded.table());
  for (const TopKWay way : kWays) {
    const TopKBuffers lists =
        search(*device, {queries.data(), 3, coded.dim()}, {.k = 50}, {way, 100, 400});
    for (int64_t m = 0; m < 3; ++m) {
      const auto wanted =
          coded.top_k(queries.data() + m * coded.dim(), 50, [](int32_t) { return true; });
      ASSERT_EQ(lists.counts[static_cast<size_t>(m)], 50);
      for (size_t i = 0; i < 50; ++i) {
        ASSERT_EQ(lists.rows[static_cast<size_t>(m) * 50 + i], wanted[i].row);
        ASSERT_EQ(lists.scores[static_cast<size_t>(m) * 50 + i], wanted[i].score);
      }
    }
  }
}

TEST_P(CodedTopKOn, LeavesOutWhatFiltersSay) {
  const uint64_t seeds = static_cast<uint64_t>(scaled(60, 12));
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const int levels = seed % 2 == 0 ? 3 : 0;
    const CodedTable coded({3, 8, {190, 600, 100}, {100, 64, 1}}, levels, seed);
    const std::vector<float> queries = random_queries(4, coded.dim(), levels, random);
    std::vector<std::vector<int32_t>> sets;
    for (const double share : {0.0, 0.02, 0.4, 0.97, 1.0}) {
      std::vector<int32_t>& set = sets.emplace_back();
      for (int32_t row = 0; row < coded.rows(); ++row)
        if (std::uniform_real_distribution<>()(random) < share) set.push_back(row);
    }
    sets.emplace_back();  // the best of all
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
    options.k = seed % 4 == 0 ? 500 : 10;
    if (seed % 3 != 0) options.allow = filter(random());
    if (seed % 3 != 1) options.block = filter(random());
    std::vector<RowFilter> each;
    for (int m = 0; m < 4; ++m) each.push_back(filter(random()));
    if (seed % 2 == 0) options.block_each = each;
    expect_lists(coded.table(), queries, options, manners(64, 5 * options.k));
    if (HasFatalFailure()) return;
  }
}

/// Row r scores r / 15: every row beats those before, or ties with them. All candidates find room
/// in the end, whatever room there is.
TEST_P(CodedTopKOn, LosesNoneWhereThereIsLittleRoom) {
  const int64_t n = 330;
  std::vector<float> codebook(256);
  for (size_t c = 0; c < codebook.size(); ++c) codebook[c] = static_cast<float>(c);
  std::vector<uint8_t> codes(static_cast<size_t>(n));
  for (int64_t r = 0; r < n; ++r) codes[static_cast<size_t>(r)] = static_cast<uint8_t>(r / 15);
  const PackedTiers table = PackedTiers::single({codes.data(), n}, 8, 1, {codebook.data(), 256});
  for (const float sign : {1.0f, -1.0f})
    for (const int64_t k : {1, 7, 30})
      for (const int64_t capacity : {5, 31, 100}) {
        std::vector<Manner> all;
        for (const TopKWay way : kWays) all.push_back({way, capacity, capacity});
        expect_lists(table, {sign, 0.5f * sign, 0.0f}, {.k = k}, all);
        if (HasFatalFailure()) return;
      }
}

TEST_P(CodedTopKOn, OfQueriesOfAnySize) {
  const CodedTable coded({4, 8, {150, 700}, {256, 33}}, 0, 9);
  std::mt19937_64 random(5);
  const std::vector<float> unit = random_queries(2, coded.dim(), 0, random);
  for (const float scale :
       {0.0f, 1e-45f, 1e-38f, 1e-36f, 1e-20f, 1e20f, 3e36f, 3e37f, 3e38f, -1.0f}) {
    SCOPED_TRACE(scale);
    std::vector<float> queries = unit;
    for (float& value : queries) {
      value *= scale;
      if (!std::isfinite(value)) value = std::copysign(std::numeric_limits<float>::max(), value);
    }
    expect_lists(coded.table(), queries, {.k = 20}, manners(64, 400));
    if (HasFatalFailure()) return;
  }
}

/// Centroids that are tiny, huge, infinite and no numbers.
TEST_P(CodedTopKOn, OfCodebooksOfAnySort) {
  constexpr float kOdd[] = {1e-45f, -1e-39f, 1e-30f, 3.4e38f, -3.4e38f, kInfinity, -kInfinity, NAN};
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const int64_t n = 400, width = 2, k = 12;
    const int subspaces = 4;
    std::vector<float> codebook = random_queries(k, subspaces * width, 0, random);
    const float odd = kOdd[seed % std::size(kOdd)];
    for (size_t i = 0; i < codebook.size(); ++i)
      if (random() % (seed <= 8 ? 30 : 3) == 0) codebook[i] = odd;
    std::vector<uint8_t> packed(static_cast<size_t>(n * 2));
    for (uint8_t& byte : packed) byte = static_cast<uint8_t>(random() % k | random() % k << 4);
    const PackedTiers table = PackedTiers::single({packed.data(), n, 2}, 4, subspaces,
                                                  {codebook.data(), k, subspaces * width});
    std::vector<float> queries = random_queries(3, table.dim, 0, random);
    for (int64_t i = 0; i < table.dim; ++i) queries[static_cast<size_t>(i)] *= 1e-30f;
    expect_lists(table, queries, {.k = 30}, manners(64, 300));
    if (HasFatalFailure()) return;
  }
}

/// Scores that differ by less than their rounding: a bound without slack would lose some.
TEST_P(CodedTopKOn, OfScoresThatRoundingTellsApart) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 random(seed);
    const CodedTable coded({8, 8, {64, 900}, {4, 3}}, 0, seed);
    std::vector<float> queries = random_queries(2, coded.dim(), 0, random);
    for (size_t i = 0; i + 1 < queries.size(); i += 2) queries[i + 1] = -queries[i] * 1.0000001f;
    expect_lists(coded.table(), queries, {.k = 50}, manners(64, 500));
    if (HasFatalFailure()) return;
  }
}

TEST_P(CodedTopKOn, PassesOverRowsWithCodesThatAreNone) {
  CodedTable coded({2, 8, {700}, {200}}, 0, 11);
  std::vector<uint8_t>& packed = coded.packed(0);
  for (size_t i = 0; i < packed.size(); i += 101) packed[i] = 255;
  std::mt19937_64 random(6);
  const std::vector<float> queries = random_queries(3, coded.dim(), 0, random);
  for (const int64_t k : {20, 700}) {
    expect_lists(coded.table(), queries, {.k = k}, manners(64, 2 * k));
    if (HasFatalFailure()) return;
  }
}

TEST_P(CodedTopKOn, OfTablesOfFewRowsAndOfOneCentroid) {
  std::mt19937_64 random(7);
  for (const CodedShape& shape :
       {CodedShape{3, 4, {0}, {16}}, CodedShape{3, 4, {1}, {16}},
        CodedShape{3, 4, {0, 3, 0}, {16, 8, 1}}, CodedShape{2, 2, {300}, {1}}}) {
    const CodedTable coded(shape, 0, 8);
    expect_lists(coded.table(), random_queries(2, coded.dim(), 0, random), {.k = 5},
                 manners(16, 30));
    expect_lists(coded.table(), {}, {.k = 5}, manners(16, 30));
    if (HasFatalFailure()) return;
  }
}

/// Their tables do not fit beside each other, or not at all.
TEST_P(CodedTopKOn, OfManySubspaces) {
  std::mt19937_64 random(8);
  for (const CodedShape& shape :
       {CodedShape{1, 100, {40, 200}, {256, 100}}, CodedShape{1, 1024, {30, 60}, {256, 64}}}) {
    const CodedTable coded(shape, 0, 9);
    expect_lists(coded.table(), random_queries(3, coded.dim(), 0, random), {.k = 9},
                 manners(20, 60));
    if (HasFatalFailure()) return;
  }
}

TEST_P(CodedTopKOn, PrefixesOfALongerListAreTheShorterOnes) {
  const CodedTable coded({2, 8, {200, 1800}, {200, 50}}, 4, 6);
  std::mt19937_64 random(4);
  const std::vector<float> queries = random_queries(1, coded.dim(), 4, random);
  const View<const float> asked(queries.data(), 1, coded.dim());
  const std::unique_ptr<CodedTopK> device = put(coded.table());
  const TopKBuffers longest = search(*device, asked, {.k = kMaxTopK}, {});
  EXPECT_EQ(longest.counts[0], 2000);
  for (const int64_t k : {1, 7, 100}) {
    const TopKBuffers lists = search(*device, asked, {.k = k}, {TopKWay::kTables, 100, 2 * k});
    ASSERT_TRUE(std::equal(lists.rows.begin(), lists.rows.end(), longest.rows.begin())) << k;
  }
}

TEST_P(CodedTopKOn, RefusesWhatTheCpuRefuses) {
  const CodedTable coded({2, 4, {50}, {16}}, 0, 3);
  const DeviceTiers table(coded.table(), put(coded.table()));
  std::vector<float> queries(16, 1.0f);
  const auto ask = [&](int64_t cols, TopKOptions options) {
    TopKBuffers lists(16 / cols, options.k);
    top_k(table, {queries.data(), 16 / cols, cols}, options, lists.result());
    return lists;
  };
  TopKBuffers wanted(2, 3);
  top_k(coded.table(), {queries.data(), 2, 8}, {.k = 3}, wanted.result());
  EXPECT_EQ(ask(8, {.k = 3}).rows, wanted.rows);
  EXPECT_THROW(ask(4, {.k = 3}), InputError);
  EXPECT_THROW(ask(8, {.k = kMaxTopK + 1}), InputError);
  const std::vector<int32_t> unsorted = {4, 2}, beyond = {50};
  EXPECT_THROW(ask(8, {.k = 3, .allow = {.sorted = unsorted}}), InputError);
  EXPECT_THROW(ask(8, {.k = 3, .block = {.sorted = beyond}}), InputError);
  queries[5] = NAN;
  EXPECT_THROW(ask(8, {.k = 3}), InputError);
}

INSTANTIATE_TEST_SUITE_P(Device, CodedTopKOn, ::testing::Values("cuda"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CodedTopKDevice, TheCpuIsNone) {
  const CodedTable one({1, 1, {1}, {1}}, 0, 1);
  EXPECT_EQ(make_coded_top_k("cpu", one.table()), nullptr);
  EXPECT_THROW(make_coded_top_k("gpu", one.table()), InputError);
}

}  // namespace
}  // namespace mgqe::testing

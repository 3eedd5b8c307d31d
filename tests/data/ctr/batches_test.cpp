#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "host/data/ctr/ctr_batches.hpp"
#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

std::vector<int64_t> rows_of(const EpochOrder& order) {
  std::vector<int64_t> rows;
  for (int64_t k = 0; k < order.rows(); ++k) rows.push_back(order.row(k));
  return rows;
}

TEST(EpochOrder, EveryRowOnce) {
  for (const int64_t rows : {1, 7, 100, 1000, 1024, 1025, 5000})
    for (const int64_t window : {1, 100, 300, 10'000})
      for (const int64_t batch : {1, 16, 70, 299, 100'000}) {
        const EpochOrder order({rows, 100, window, batch}, 3, 1);
        ASSERT_EQ(order.rows(), rows);
        std::vector<int64_t> seen = rows_of(order);
        std::sort(seen.begin(), seen.end());
        std::vector<int64_t> expected(static_cast<size_t>(rows));
        std::iota(expected.begin(), expected.end(), 0);
        ASSERT_EQ(seen, expected) << rows << " " << window << " " << batch;
      }
  EXPECT_EQ(EpochOrder({0, 100, 100, 1}, 1, 1).rows(), 0);
}

TEST(EpochOrder, AWindowReadsItsBlocksAlone) {
  const EpochOrder order({10'050, 100, 300, 16}, 3, 1);
  for (int64_t k = 0; k < order.rows(); ++k) {
    const std::vector<int64_t> blocks = order.blocks(order.window_of(k), 0, 16);
    EXPECT_EQ(std::count(blocks.begin(), blocks.end(), order.row(k) / 100), 1);
  }
  EXPECT_EQ(order.windows(), 34) << "101 blocks, 3 a window";
}

TEST(EpochOrder, AnotherOrderForEachSeedAndEpochAndTheSameAgain) {
  const auto rows = [](uint64_t seed, int64_t epoch) {
    return rows_of(EpochOrder({1000, 100, 300, 16}, seed, epoch));
  };
  EXPECT_EQ(rows(1, 1), rows(1, 1));
  EXPECT_NE(rows(1, 1), rows(1, 2));
  EXPECT_NE(rows(1, 1), rows(2, 1));
}

TEST(EpochOrder, PlacesTellNothingOfRows) {
  // The correlation of place and row in one window of n: standard deviation 1 / sqrt(n).
  constexpr int64_t kRows = 20'000;
  const EpochOrder order({kRows, 1000, kRows, 64}, 1, 1);
  double sum = 0;
  for (int64_t k = 0; k < kRows; ++k) {
    const double x = (static_cast<double>(k) + 0.5) / kRows - 0.5;
    const double y = (static_cast<double>(order.row(k)) + 0.5) / kRows - 0.5;
    sum += x * y;
  }
  EXPECT_LT(std::abs(sum / kRows * 12.0), 5 / std::sqrt(static_cast<double>(kRows)));
}

/// Of data of several windows, some places of every batch are some of the rows, and which of these
/// comes when is shuffled.
TEST(EpochOrder, PlacesOfABatchReadAPartOfEachWindow) {
  constexpr int64_t kBatch = 64, kWindow = 4000;
  const EpochOrder order({19'990, 100, kWindow, kBatch}, 5, 2);
  ASSERT_EQ(order.windows(), 5);
  for (const int64_t ranks : {2, 4, 7}) {
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const int64_t first = kBatch * rank / ranks, last = kBatch * (rank + 1) / ranks;
      std::vector<std::set<int64_t>> read(5);
      for (int64_t k = 0; k < order.rows(); ++k)
        if (k % kBatch >= first && k % kBatch < last)
          read[static_cast<size_t>(order.window_of(k))].insert(order.row(k) / 100);
      for (int64_t w = 0; w < 5; ++w) {
        const std::vector<int64_t> blocks = order.blocks(w, first, last);
        const std::set<int64_t> told(blocks.begin(), blocks.end());
        EXPECT_EQ(told.size(), blocks.size());
        for (const int64_t block : read[static_cast<size_t>(w)]) EXPECT_TRUE(told.contains(block));
        // Its share of 40 blocks, one that it begins in, and two at each end of the window.
        EXPECT_LE(told.size(), static_cast<size_t>(40 / ranks + 6)) << ranks << " ranks";
      }
    }
  }
  double sum = 0, count = 0;
  for (int64_t k = 0; k < order.rows(); ++k) {
    const int64_t step = (k % kWindow) / kBatch;  // of about 62 of a strip
    const double x = static_cast<double>(step) / 62.0 - 0.5;
    const double y = static_cast<double>(order.row(k) % 62) / 62.0 - 0.5;
    sum += x * y;
    ++count;
  }
  EXPECT_LT(std::abs(sum / count * 12.0), 5 / std::sqrt(count));
}

/// 1,030 rows whose dense value is their number.
class SomeRows : public ::testing::Test {
 protected:
  SomeRows() {
    std::string text = "y,a,row,g\n";
    for (int i = 0; i < 1030; ++i) {
      text += std::to_string(i % 2) + ",v" + std::to_string(i % 9) + "," + std::to_string(i) + ",";
      for (int v = 0; v < i % 4; ++v) text += fmt::format("g{} ", v);
      text += "\n";
    }
    PrepareOptions options = options_for(folder_.write("train.csv", text), folder_.path("rows.ctr"),
                                         {label("y"), dense("row:raw"), bag("g")});
    options.block_rows = 64;
    prepare(options, no_progress);
    cache_.emplace(options.out);
  }
  TemporaryFolder folder_;
  std::optional<CtrCache> cache_;
};

std::vector<float> epoch_rows(CtrBatches& batches) {
  std::vector<float> rows;
  for (CtrBatch batch; batches.next(batch);)
    rows.insert(rows.end(), batch.dense.begin(), batch.dense.end());
  return rows;
}

TEST_F(SomeRows, RanksTogetherHaveTheBatchesOfOne) {
  const CtrBatchOptions one{.batch = 100, .seed = 4, .window_rows = 256};
  CtrBatches whole(*cache_, one);
  EXPECT_EQ(whole.steps_per_epoch(), 11);
  whole.begin_epoch(2);
  for (const int ranks : {2, 3, 7}) {
    std::vector<CtrBatches> shares;
    for (int rank = 0; rank < ranks; ++rank) {
      CtrBatchOptions options = one;
      options.rank = rank;
      options.ranks = ranks;
      shares.emplace_back(*cache_, options).begin_epoch(2);
    }
    whole.begin_epoch(2);
    for (CtrBatch batch; whole.next(batch);) {
      std::vector<float> together;
      for (CtrBatches& share : shares) {
        CtrBatch part;
        ASSERT_TRUE(share.next(part));
        EXPECT_EQ(share.examples(), whole.examples());
        together.insert(together.end(), part.dense.begin(), part.dense.end());
      }
      ASSERT_EQ(together, batch.dense);
    }
    CtrBatch none;
    for (CtrBatches& share : shares) EXPECT_FALSE(share.next(none));
  }
}

TEST_F(SomeRows, AnEpochGoesOnWhereItWasStopped) {
  CtrBatches batches(*cache_, {.batch = 100, .seed = 4, .window_rows = 256});
  batches.begin_epoch(3);
  const std::vector<float> whole = epoch_rows(batches);
  ASSERT_EQ(whole.size(), 1030u);
  std::vector<float> sorted = whole;
  std::sort(sorted.begin(), sorted.end());
  for (int row = 0; row < 1030; ++row) EXPECT_EQ(sorted[static_cast<size_t>(row)], row);
  batches.begin_epoch(3, 7);
  EXPECT_EQ(epoch_rows(batches), std::vector<float>(whole.begin() + 700, whole.end()));
  batches.begin_epoch(3, 11);
  EXPECT_TRUE(epoch_rows(batches).empty());
}

TEST_F(SomeRows, EveryPartOfABatchIsOfItsRow) {
  CtrBatches batches(*cache_, {.batch = 250, .seed = 1});
  batches.begin_epoch(1);
  const auto values = values_of(*cache_, "a");
  for (CtrBatch batch; batches.next(batch);)
    for (int64_t i = 0; i < batch.rows; ++i) {
      const auto at = static_cast<size_t>(i);
      const int row = static_cast<int>(batch.dense[at]);
      EXPECT_EQ(batch.labels[at], row % 2);
      EXPECT_EQ(values[static_cast<size_t>(batch.ids[at])], fmt::format("v{}", row % 9));
      const auto& bag = batch.bags[0];
      EXPECT_EQ(bag.offsets[at + 1] - bag.offsets[at], row % 4);
      for (int v = 0; v < row % 4; ++v)  // g0 is the most frequent, then g1
        EXPECT_EQ(bag.ids[static_cast<size_t>(bag.offsets[at] + v)], v);
    }
}

}  // namespace
}  // namespace mgqe

// MovieLens-1M as the SASRec and the NCF authors split it, where the files are present.
#include <algorithm>
#include <chrono>

#include "host/data/relevance/relevance.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

/// Points MGQE_DATA_DIR at the real data, or skips the test.
class RealData : public ::testing::Test {
 protected:
  void need(const std::string& file) {
    const auto folder = real_data_folder();
    if (!folder || !std::filesystem::exists(*folder + "/" + file))
      GTEST_SKIP() << "no " << file << " in $MGQE_DATA_DIR";
    variable_.emplace("MGQE_DATA_DIR", *folder);
  }

 private:
  std::optional<ScopedVariable> variable_;
};

void expect_popularity_order(const Dataset& data) {
  std::vector<int64_t> item_counts(data.items);
  for (const int32_t item : data.sequence_items) ++item_counts[item];
  EXPECT_TRUE(std::is_sorted(item_counts.rbegin(), item_counts.rend()));
  for (int64_t user = 1; user < data.users; ++user)
    EXPECT_LE(sequence(data, user).size(), sequence(data, user - 1).size());
}

TEST_F(RealData, Ml1m) {
  need("ml-1m/ml-1m.txt.gz");
  if (IsSkipped()) return;
  const auto start = std::chrono::steady_clock::now();
  const Dataset data = load("ml-1m");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("load_seconds", std::to_string(seconds.count()));
  EXPECT_EQ(data.name, "ml-1m");
  // By which results/runs knows the data of its runs; so below.
  EXPECT_EQ(data.fingerprint, 0x54d8619911e7031bu);
  EXPECT_EQ(data.users, 6040);
  EXPECT_EQ(data.items, 3416);
  EXPECT_EQ(data.actions, 999'611);
  EXPECT_EQ(data.short_users, 0);
  EXPECT_TRUE(data.has_validation);
  EXPECT_EQ(data.train_items.size(), 999'611u - 2 * 6040);
  EXPECT_EQ(data.sequence_items.size(), data.train_items.size());
  expect_popularity_order(data);
  // User 1 of the file begins with items 1, 2, 3; user 6040 ends with 241 (validation), 154.
  const std::vector<int32_t> first = sequence(data, dense_id(data.user_ids, "1"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(data.item_ids.name(first[i]), std::to_string(i + 1));
  const int32_t last = dense_id(data.user_ids, "6040");
  EXPECT_EQ(data.item_ids.name(data.valid_item[last]), "241");
  EXPECT_EQ(data.item_ids.name(data.test_item[last]), "154");
}

TEST_F(RealData, Ncf) {
  need("ncf/ncf_ml-1m_seq.txt.gz");
  if (IsSkipped()) return;
  const Dataset data = load("ncf");
  EXPECT_EQ(data.users, 6040);
  EXPECT_EQ(data.items, 3706);
  EXPECT_EQ(data.actions, 1'000'209);
  EXPECT_EQ(data.negatives_per_user, 99);
  EXPECT_EQ(data.fingerprint, 0xa1b56b2a3dc14270u);
  EXPECT_FALSE(data.has_validation);
  expect_popularity_order(data);
  // The authors' files begin with (0,25) 1064 174 2791.
  const int32_t user = dense_id(data.user_ids, "0");
  EXPECT_EQ(data.item_ids.name(data.test_item[user]), "25");
  EXPECT_EQ(data.item_ids.name(data.test_negatives[99 * user]), "1064");
  EXPECT_EQ(data.item_ids.name(data.test_negatives[99 * user + 1]), "174");
  // In 156 rows the authors drew the test item itself.
  EXPECT_EQ(std::count(data.test_negatives.begin(), data.test_negatives.end(), -1), 156);
  for (int64_t u = 0; u < data.users; ++u)
    EXPECT_EQ(std::count_if(data.test_negatives.begin() + 99 * u,
                            data.test_negatives.begin() + 99 * (u + 1),
                            [&](int32_t item) { return item == data.test_item[u]; }),
              0);
}

TEST_F(RealData, VideoGames) {
  need("video/video.txt.gz");
  if (IsSkipped()) return;
  const Dataset data = load(*real_data_folder() + "/video/video.txt.gz");
  EXPECT_EQ(data.users, 31'013);
  EXPECT_EQ(data.items, 23'715);
  EXPECT_EQ(data.actions, 287'107);
  EXPECT_EQ(data.fingerprint, 0xff6d6da054cbb17eu);
  expect_popularity_order(data);
}

TEST_F(RealData, Steam) {
  need("relevance/steam.tsv.gz");
  if (IsSkipped()) return;
  DataConfig config;
  config.name = "steam";
  EXPECT_EQ(load_relevance(config, cpu()).fingerprint, 0xda7b8e718a72fea3u);
}

TEST_F(RealData, Ml100kAsRecBoleHasIt) {
  need("ml-100k/ml-100k.inter");
  if (IsSkipped()) return;
  const Dataset data = load(*real_data_folder() + "/ml-100k/ml-100k.inter");
  EXPECT_EQ(data.users, 943);
  EXPECT_EQ(data.items, 1682);
  EXPECT_EQ(data.actions, 100'000);
  EXPECT_TRUE(data.reading.by_time);
}

}  // namespace
}  // namespace mgqe

// The NCF authors' split on small files of its shape: 3 users, 5 items, 2 negatives a user.
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

class Ncf : public ::testing::Test {
 protected:
  void SetUp() override {
    // 1-based; test items 3, 1, 5 are 2, 0, 4 in the files below.
    sequences("1 1\n1 2\n1 3\n2 3\n2 4\n2 1\n3 1\n3 5\n");
    ratings("0\t2\t5\t100\n1\t0\t4\t200\n2\t4\t4\t300\n");
    negatives("(0,2)\t3\t4\n(1,0)\t1\t4\n(2,4)\t2\t3\n");
  }

  void sequences(std::string_view text) { folder_.write_gzip("ncf/ncf_ml-1m_seq.txt.gz", text); }
  void ratings(std::string_view text) { folder_.write_gzip("ncf/ncf.ml-1m.test.rating.gz", text); }
  void negatives(std::string_view text) {
    folder_.write_gzip("ncf/ncf.ml-1m.test.negative.gz", text);
  }
  std::string refused() {
    const std::string message = refusal([] { load("ncf"); });
    const std::string prefix = folder_.path("ncf/ncf.ml-1m.test.");
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return message.substr(std::min(message.size(), prefix.size()));
  }

  TemporaryFolder folder_;
  ScopedVariable variable_{"MGQE_DATA_DIR", folder_.path("")};
};

TEST_F(Ncf, ReadsSplitAndNegatives) {
  const Dataset data = load("ncf");
  EXPECT_EQ(data.name, "ncf");
  EXPECT_FALSE(data.has_validation);
  EXPECT_EQ(data.negatives_per_user, 2);
  EXPECT_EQ(story(data, "0"), "0 1 | - 2");
  EXPECT_EQ(story(data, "1"), "2 3 | - 0");
  EXPECT_EQ(story(data, "2"), "0 | - 4");
  const int32_t user = dense_id(data.user_ids, "1");
  EXPECT_EQ(data.item_ids.name(data.test_negatives[2 * user]), "1");
  EXPECT_EQ(data.item_ids.name(data.test_negatives[2 * user + 1]), "4");
}

TEST_F(Ncf, TestItemAmongItsNegativesIsLeftOut) {
  negatives("(0,2)\t2\t4\n(1,0)\t1\t4\n(2,4)\t2\t3\n");
  const Dataset data = load("ncf");
  const int32_t user = dense_id(data.user_ids, "0");
  EXPECT_EQ(data.test_negatives[2 * user], -1);
  EXPECT_EQ(data.item_ids.name(data.test_negatives[2 * user + 1]), "4");
}

TEST_F(Ncf, FingerprintHoldsTheNegatives) {
  const uint64_t before = load("ncf").fingerprint;
  negatives("(0,2)\t3\t4\n(1,0)\t1\t4\n(2,4)\t3\t2\n");
  EXPECT_NE(load("ncf").fingerprint, before);
}

TEST_F(Ncf, RefusesAnotherTestItem) {
  ratings("0\t2\t5\t100\n1\t3\t4\t200\n2\t4\t4\t300\n");
  EXPECT_EQ(refused(),
            "rating.gz:2: the test item of user 1 is 3 here but 0 in ncf_ml-1m_seq.txt.gz: "
            "expected the item of the user's last line there, less one");
  SetUp();
  negatives("(0,2)\t3\t4\n(1,2)\t1\t4\n(2,4)\t2\t3\n");
  EXPECT_EQ(refused(),
            "negative.gz:2: the test item of user 1 is 2 here but 0 in ncf_ml-1m_seq.txt.gz: "
            "expected the item of the user's last line there, less one");
}

TEST_F(Ncf, RefusesBadLines) {
  negatives("(0,2)\t3\t4\n(1,0)\t1\n(2,4)\t2\t3\n");
  EXPECT_EQ(refused(),
            "negative.gz:2: the line has 1 negatives, the first line 2: expected as many for every "
            "user");
  negatives("(0,2)\t3\t4\n(1,0)\t1\t9\n(2,4)\t2\t3\n");
  EXPECT_EQ(refused(),
            "negative.gz:2: item \"9\" is not in ncf_ml-1m_seq.txt.gz: expected its ids less one");
  negatives("(0,2)\t3\t4\n1,0\t1\t3\n(2,4)\t2\t3\n");
  EXPECT_EQ(refused(), "negative.gz:2: the line begins with \"1,0\": expected (user,item)");
  negatives("(0,2)\t3\tx\n");
  EXPECT_EQ(refused(), "negative.gz:1: item \"x\" is not a whole number: expected an integer");
  negatives("(0,2)\n");
  EXPECT_EQ(refused(),
            "negative.gz:1: the line has no negatives: expected item ids behind (user,item)");
}

TEST_F(Ncf, RefusesMissingAndRepeatedUsers) {
  negatives("(0,2)\t3\t4\n(2,4)\t2\t3\n");
  EXPECT_EQ(refused(), "negative.gz:2: user 1 has no line in this file: expected one a user");
  ratings("0\t2\t5\t100\n0\t2\t5\t100\n");
  EXPECT_EQ(refused(), "rating.gz:2: user 0 has two lines: expected one a user");
}

}  // namespace
}  // namespace mgqe

// Frappe, Criteo, MovieLens and flights as their authors publish them, where the files are present.
// What is expected was counted by other means.
#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

class RealRows : public ::testing::Test {
 protected:
  /// False, and the test is skipped, where it is not there.
  bool need(const std::string& file) {
    const auto folder = real_data_folder();
    path_ = folder.value_or("") + "/" + file;
    return folder && std::filesystem::exists(path_);
  }
  std::string at(const std::string& file) const { return *real_data_folder() + "/" + file; }

  TemporaryFolder folder_;
  std::string path_;
};

#define MGQE_NEED(file) \
  if (!need(file)) GTEST_SKIP() << "no " << file << " in $MGQE_DATA_DIR"

TEST_F(RealRows, Frappe) {
  MGQE_NEED("frappe/frappe.train.libfm.gz");
  PrepareOptions options = options_for(path_, folder_.path("rows.ctr"), {});
  options.sources.push_back({at("frappe/frappe.validation.libfm.gz"), CtrSplit::kValid});
  options.sources.push_back({at("frappe/frappe.test.libfm.gz"), CtrSplit::kTest});
  const CtrCache cache = prepared(options);
  EXPECT_EQ(cache.rows(CtrSplit::kTrain), 202'027);
  EXPECT_EQ(cache.rows(CtrSplit::kValid), 57'722);
  EXPECT_EQ(cache.rows(CtrSplit::kTest), 28'860);
  EXPECT_EQ(cache.index().positives[0], 67'604);
  EXPECT_EQ(cache.index().positives[1], 19'063);
  EXPECT_EQ(cache.index().positives[2], 9'536);
  EXPECT_EQ(cache.shape().fields.size(), 10u);
  EXPECT_EQ(cache.shape().table_rows(), 5355) << "values of train, and 10 OOV rows";
  const CachedField& users = *cache.find("field1");
  EXPECT_EQ(users.rows, 925);
  EXPECT_EQ(users.oov, 924);
  EXPECT_EQ(users.oov_values[0], 0);
  EXPECT_EQ(users.oov_values[1], 45);
  EXPECT_EQ(users.oov_values[2], 29);
  EXPECT_EQ(counts_of(cache, "field1")[0], 2194);
  EXPECT_EQ(values_of(cache, "field1")[1], "97");
  EXPECT_EQ(values_of(cache, "field2")[0], "973");
}

TEST_F(RealRows, Criteo) {
  MGQE_NEED("criteo/criteo_10k.tsv.gz");
  PrepareOptions options = options_for(path_, folder_.path("rows.ctr"), {dense("I2:shift=4")});
  options.format = "criteo";
  options.defaults.min_count = 10;
  const CtrCache cache = prepared(options);
  EXPECT_EQ(cache.rows(CtrSplit::kTrain), 10'000);
  EXPECT_EQ(cache.index().positives[0], 2182);
  EXPECT_EQ(cache.shape().fields.size(), 38u);
  EXPECT_EQ(cache.shape().dense, (std::vector<std::string>{"I2"}));
  EXPECT_EQ(cache.find("C1")->rows, 31);
  EXPECT_EQ(cache.find("C1")->oov_values[0], 330);
  EXPECT_EQ(values_of(cache, "C1")[0], "05db9164");
  EXPECT_EQ(counts_of(cache, "C1")[0], 5005);
  EXPECT_EQ(cache.find("C3")->rows, 59);
  EXPECT_EQ(cache.find("C3")->oov, 0) << "rare values together are the most frequent";
  EXPECT_EQ(counts_of(cache, "C3")[0], 6829);
  EXPECT_EQ(counts_of(cache, "C3")[1], 470);
  EXPECT_EQ(cache.find("C9")->rows, 3);
  const auto buckets = values_of(cache, "I3");
  const auto missing = std::find(buckets.begin(), buckets.end(), "") - buckets.begin();
  EXPECT_EQ(counts_of(cache, "I3").at(static_cast<size_t>(missing)), 2037);
}

TEST_F(RealRows, MovieLensAtomicFiles) {
  MGQE_NEED("ml-100k/ml-100k.inter");
  PrepareOptions options = options_for(path_, folder_.path("rows.ctr"),
                                       {label("rating>3"), quantile("timestamp:buckets=10")});
  options.split = parse_split_rule("random:0.1,0.1", 1);
  const CtrCache cache = prepared(options);
  const CacheIndex& index = cache.index();
  EXPECT_EQ(index.rows[0] + index.rows[1] + index.rows[2], 100'000);
  EXPECT_EQ(index.positives[0] + index.positives[1] + index.positives[2], 55'375);
  EXPECT_EQ(values_of(cache, "item_id")[0], "50");
  for (const int64_t count : counts_of(cache, "timestamp"))
    EXPECT_NEAR(static_cast<double>(count), count == 0 ? 0 : 8000, 900);

  options =
      options_for(at("ml-100k/ml-100k.item"), folder_.path("items.ctr"), {label("item_id>841")});
  const CtrCache items = prepared(options);
  EXPECT_EQ(items.rows(CtrSplit::kTrain), 1682);
  EXPECT_EQ(items.index().positives[0], 841);
  ASSERT_EQ(items.shape().bags.size(), 2u);
  EXPECT_EQ(items.shape().bags[1].name, "class");
  EXPECT_EQ(values_of(items, "class")[0], "Drama");
  EXPECT_EQ(counts_of(items, "class")[0], 725);
  EXPECT_EQ(counts_of(items, "class")[2], 251);
}

TEST_F(RealRows, FlightsByWhatIsKnownAtDeparture) {
  MGQE_NEED("flights/flights.csv.gz");
  PrepareOptions options = options_for(
      path_, folder_.path("rows.ctr"),
      {label("arr_delay>15"), log_buckets("distance"), quantile("sched_dep_time"),
       quantile("sched_arr_time"), ignored("year"), ignored("dep_time"), ignored("dep_delay"),
       ignored("arr_time"), ignored("air_time"), ignored("time_hour")});
  options.missing = "NA";
  options.drop_unlabeled = true;
  const CtrCache cache = prepared(options);
  EXPECT_EQ(cache.rows(CtrSplit::kTrain), 327'346);
  EXPECT_EQ(cache.index().unlabeled, 336'776 - 327'346);
  EXPECT_EQ(cache.index().positives[0], 77'630);
  EXPECT_EQ(cache.find("tailnum")->rows, 4037 + 1);
  EXPECT_EQ(cache.find("sched_dep_time")->rows, 17);
}

}  // namespace
}  // namespace mgqe

// Rows of many fields by the name that --data gives: data sets, caches, what is made; and what is
// none of them.
#include "host/data/ctr/load_ctr_rows.hpp"
#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

std::unique_ptr<const CtrRows> load_rows(const std::string& name) {
  DataConfig data;
  data.name = name;
  data.synthetic_table_rows = 400;
  data.synthetic_examples = 50;
  return load_ctr_rows(data);
}

class LoadRows : public ::testing::Test {
 protected:
  /// The cache of a file of rows "label,field".
  std::string cache_of(const std::string& rows, const std::vector<FieldSpec>& fields,
                       SplitRule::Kind split) {
    PrepareOptions options =
        options_for(folder_.write("rows.csv", rows), folder_.path("rows.ctr"), fields);
    options.split = {.kind = split, .valid = 0.25, .test = 0.25};
    prepare(options, no_progress);
    return options.out;
  }

  TemporaryFolder folder_;
};

constexpr const char* kFour = "y,x\n1,1\n0,2\n1,3\n0,4\n";

TEST_F(LoadRows, OfACacheAndMade) {
  const auto cached = load_rows(cache_of(kFour, {label("y")}, SplitRule::Kind::kLast));
  EXPECT_EQ(cached->rows(CtrSplit::kTrain), 2);
  EXPECT_EQ(cached->rows(CtrSplit::kTest), 1);
  const auto made = load_rows("ctr-synthetic");
  EXPECT_EQ(made->rows(CtrSplit::kTrain), 50);
  EXPECT_EQ(made->rows(CtrSplit::kValid), 5);
  DataConfig automatic;
  automatic.synthetic_table_rows = 400;
  automatic.synthetic_examples = 50;
  EXPECT_EQ(load_ctr_rows(automatic)->rows(CtrSplit::kTrain), 50);
  EXPECT_EQ(automatic.name, "ctr-synthetic");
}

TEST_F(LoadRows, OfFrappeByItsFiles) {
  const ScopedVariable variable("MGQE_DATA_DIR", folder_.path("data"));
  folder_.write("data/frappe/frappe.train.libfm", "1 4:1 7:1\n-1 5:1 7:1\n1 4:1 8:1\n");
  folder_.write_gzip("data/frappe/frappe.validation.libfm.gz", "1 4:1 7:1\n");
  EXPECT_EQ(
      refusal([] { load_rows("frappe"); }),
      "--data frappe: expected frappe/frappe.test.libfm or frappe/frappe.test.libfm.gz below " +
          folder_.path("data") + ": set MGQE_DATA_DIR to the folder that holds frappe/");
  folder_.write("data/frappe/frappe.test.libfm", "-1 4:1 9:1\n");
  const auto rows = load_rows("frappe");
  EXPECT_EQ(rows->rows(CtrSplit::kTrain), 3);
  EXPECT_EQ(rows->rows(CtrSplit::kValid), 1);
  EXPECT_EQ(rows->rows(CtrSplit::kTest), 1);
  EXPECT_EQ(rows->shape().fields.size(), 2u);
}

TEST_F(LoadRows, RefusesWhatIsNone) {
  const ScopedVariable variable("MGQE_DATA_DIR", folder_.path("data"));
  EXPECT_EQ(refusal([] { load_rows("flights"); }),
            "--data flights: expected flights/flights.csv or flights/flights.csv.gz below " +
                folder_.path("data") +
                ": run experiments/scripts/fetch_data.sh --flights, or set MGQE_DATA_DIR");
  const std::string none = folder_.path("none.ctr");
  EXPECT_EQ(refusal([&] { load_rows(none); }),
            "--data " + none +
                ": no such file: --task ctr takes frappe, flights, the cache that `mgqe prepare "
                "--in FILE --out CACHE` wrote, or ctr-synthetic");
  const std::string text = folder_.write("clicks.csv", kFour);
  EXPECT_EQ(refusal([&] { load_rows(text); }),
            "--data " + text + ": is no cache of rows: make one of it by `mgqe prepare --in " +
                text + " --out CACHE`, and give that");
}

}  // namespace
}  // namespace mgqe

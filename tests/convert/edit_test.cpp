// Rows appended to artifacts, and put in another order: what stays, what changes, what is refused.
#include "host/convert/edit.hpp"

#include <algorithm>
#include <numeric>

#include "host/convert/id_files.hpp"
#include "host/serve/artifact_view.hpp"
#include "tests/support/convert_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int64_t kDim = 8;

class EditTest : public OnEveryBackend {
 protected:
  Artifact converted(int64_t rows, std::vector<int> centroids, std::vector<double> cuts,
                     int stages = 1, bool rotate = false) {
    const FloatTable source = table_in_memory(clustered(rows, kDim, 200, 1), kDim);
    ConvertOptions options;
    options.embedding.subspaces = {4};
    options.embedding.centroids = std::move(centroids);
    options.embedding.tiers = std::move(cuts);
    options.stages = stages;
    options.rotate = rotate;
    options.resolve(source);
    const Converted made = convert_table(backend(), source, {}, options, ignore_progress);
    return table_artifact("item", made.table, row_numbers(rows), made.errors, {{"source", "x"}});
  }
  Appended append(Artifact& artifact, const std::vector<float>& rows, const OriginalIds& ids,
                  const std::string& table = "item") {
    const int64_t dim = artifact.model.tables.at(table).dim;
    return append_rows(backend(), "file", artifact, table, table_in_memory(rows, dim), ids,
                       ignore_progress);
  }
  Compacted compact(Artifact& artifact, const std::vector<double>& counts,
                    const std::vector<double>& cuts = {}, const std::string& table = "item") {
    return compact_rows(backend(), "file", artifact, table, counts, cuts, ignore_progress);
  }
};
MGQE_ON_EVERY_BACKEND(EditTest);

const PackedTable& items(const Artifact& artifact) { return artifact.model.tables.at("item"); }

OriginalIds integers(std::vector<int64_t> ids) { return {std::move(ids), {}}; }

TEST_P(EditTest, AppendedRowsAreEncodedByTheTail) {
  const ScratchFolder folder;
  Artifact artifact = converted(1000, {64, 16}, {0.1});
  const Artifact before = artifact;
  const std::vector<float> rows = clustered(100, kDim, 200, 1);  // the first hundred again
  const Appended appended = append(artifact, rows, following_ids(before.ids.at("item"), 100));
  EXPECT_EQ(items(artifact).rows, 1100);
  EXPECT_EQ(items(artifact).tiers[0].end, 100);
  EXPECT_EQ(artifact.ids.at("item").integers.back(), 1099);
  for (int64_t r = 0; r < 1000; ++r)
    ASSERT_EQ(decoded_row(items(artifact), r), decoded_row(items(before), r));
  const auto codebook = items(artifact).arrays.at("codebook").as<float>();
  const std::vector<float> centroids(codebook.begin(), codebook.end());
  EXPECT_NEAR(appended.errors.relative(), error_of(rows, centroids, kDim, 4, 16), 1e-5);
  double error = 0.0;
  for (int64_t r = 0; r < 100; ++r)
    error += squared_distance(&rows[r * kDim], decoded_row(items(artifact), 1000 + r).data(), kDim);
  EXPECT_NEAR(appended.errors.squared_error, error, 1e-5 * error);
  const nlohmann::json& recorded = before.config["convert"]["errors"];
  EXPECT_EQ(appended.last_tier, recorded[1]["error"].get<double>());
  EXPECT_GT(appended.last_tier, appended.all_tiers);
  write_artifact(folder / "t.safetensors", artifact);
  ArtifactView::open(folder / "t.safetensors").verify();
  EXPECT_EQ(artifact.config["edits"][0]["append"]["rows"], 100);
}

TEST_P(EditTest, DriftShows) {
  Artifact artifact = converted(1000, {64, 16}, {0.1});
  std::vector<float> strangers = some_floats(100 * kDim, 77);
  for (float& value : strangers) value = 5.0f * value + 3.0f;
  const Appended appended =
      append(artifact, strangers, following_ids(artifact.ids.at("item"), 100));
  EXPECT_GT(appended.errors.relative(), 2.0 * appended.last_tier);
}

TEST_P(EditTest, AppendToWhatTrainingWrote) {
  Artifact artifact = small_artifact();
  const Appended appended =
      append(artifact, some_floats(20, 5), {{}, {"new", "newer"}});  // K = 1: one centroid
  EXPECT_EQ(appended.last_tier, -1.0);
  EXPECT_EQ(items(artifact).rows, 11);
  EXPECT_EQ(artifact.ids.at("item").strings.back(), "newer");
  EXPECT_EQ(artifact_defect(artifact), "");
  EXPECT_CONTAINS(untrained_defect("ranking", artifact.config), "appended");
  EXPECT_EQ(untrained_defect("ranking", small_artifact().config), "");

  const std::vector<float> users = some_floats(20, 6);  // a full table
  append(artifact, users, integers({5, 6}), "user");
  const auto stored = artifact.model.tables.at("user").arrays.at("table").as<float>();
  EXPECT_TRUE(std::equal(users.begin(), users.end(), stored.begin() + 30));
  EXPECT_EQ(artifact_defect(artifact), "");
}

TEST_P(EditTest, AppendRefuses) {
  const auto refused = [&](Artifact artifact, const std::vector<float>& rows, int64_t dim,
                           const OriginalIds& ids) {
    return refusal([&] {
      append_rows(backend(), "file", artifact, "item", table_in_memory(rows, dim), ids,
                  ignore_progress);
    });
  };
  const Artifact artifact = converted(100, {16}, {});
  EXPECT_CONTAINS(refused(artifact, some_floats(14, 1), 7, integers({100, 101})),
                  "7 columns where table item of file has 8");
  EXPECT_CONTAINS(refused(artifact, some_floats(16, 1), 8, integers({99, 100})), "id 99");
  EXPECT_CONTAINS(refused(artifact, some_floats(16, 1), 8, integers({100, 100})), "id 100");
  EXPECT_CONTAINS(refused(artifact, some_floats(16, 1), 8, {{}, {"a", "b"}}), "\"a\"");
  EXPECT_CONTAINS(refused(small_artifact(), some_floats(10, 1), 10, integers({88})), "\"88\"");
  EXPECT_CONTAINS(refusal([&] { following_ids(small_artifact().ids.at("item"), 1); }), "--ids");
  EXPECT_CONTAINS(refusal([] {
                    following_ids(integers({7, INT64_MAX - 1}), 2);
                  }),
                  "no integers are left after id 9223372036854775806");
  EXPECT_EQ(following_ids(integers({7, INT64_MAX - 1}), 1), integers({INT64_MAX}));
  Artifact other = small_artifact();
  other.model.tables["mlp.item"] = full_table(9, 4);
  EXPECT_CONTAINS(refused(other, some_floats(10, 1), 10, integers({89})), "mlp.item");
  other = small_artifact();
  other.model.tables["item"] = hashed_table(9, 10, 4);
  EXPECT_CONTAINS(refused(other, some_floats(10, 1), 10, integers({89})), "hashed");
  EXPECT_CONTAINS(refusal([&] { choose_table("file", other, ""); }), "item, user");
  EXPECT_CONTAINS(refusal([&] { choose_table("file", other, "movie"); }), "movie");
}

std::vector<double> counts_of(const std::vector<int32_t>& order) {
  std::vector<double> counts(order.size());
  for (size_t p = 0; p < order.size(); ++p)
    counts[order[p]] = static_cast<double>(order.size() - p);
  return counts;
}

/// The rows of `artifact` and of `before`, by id.
template <class Compare>
void for_each_id(const Artifact& artifact, const Artifact& before, const Compare& compare) {
  for (int64_t place = 0; place < items(artifact).rows; ++place) {
    const int64_t id = artifact.ids.at("item").integers[place];
    const auto& known = before.ids.at("item").integers;
    const int64_t old = std::find(known.begin(), known.end(), id) - known.begin();
    compare(place, old);
  }
}

TEST_P(EditTest, CompactKeepsCodesWhereTheyMayStay) {
  Artifact artifact = converted(1000, {60, 16, 16, 3}, {0.1, 0.2, 0.5});
  const Artifact before = artifact;
  std::vector<int32_t> order(1000);
  std::iota(order.begin(), order.end(), 0);
  std::reverse(order.begin(), order.end());
  const Compacted report = compact(artifact, counts_of(order));
  EXPECT_EQ(report.tier_rows, (std::vector<int64_t>{100, 100, 300, 500}));
  EXPECT_EQ(artifact_defect(artifact), "");
  EXPECT_EQ(artifact.ids.at("item").integers.front(), 999);
  const auto codebook = items(artifact).arrays.at("codebook").as<float>();
  int64_t moved = 0, encoded = 0;
  double error = 0.0;
  for_each_id(artifact, before, [&](int64_t place, int64_t old) {
    const int from = tier_at(items(before), old), to = tier_at(items(artifact), place);
    moved += from != to ? 1 : 0;
    const std::vector<float> was = decoded_row(items(before), old);
    const std::vector<float> is = decoded_row(items(artifact), place);
    if (items(before).tiers[to].centroids >= items(before).tiers[from].centroids) {
      EXPECT_EQ(is, was) << place;
      return;
    }
    ++encoded;
    error += squared_distance(was.data(), is.data(), kDim);
    const std::vector<float> centroids(codebook.begin(), codebook.end());
    const double nearest = error_of(was, centroids, kDim, 4, items(before).tiers[to].centroids) *
                           squared_distance(was.data(), std::vector<float>(kDim).data(), kDim);
    ASSERT_NEAR(squared_distance(was.data(), is.data(), kDim), nearest, 1e-4) << place;
  });
  EXPECT_EQ(report.moved, moved);
  EXPECT_EQ(report.encoded, encoded);
  EXPECT_GT(encoded, 0);
  EXPECT_NEAR(report.errors.squared_error, error, 1e-5 * error);
}

TEST_P(EditTest, CompactWithPrivateCodebooks) {
  Artifact artifact;
  artifact.model.backbone = "gmf";
  artifact.model.task = "ranking";
  artifact.model.tables["item"] = with_codes(private_shape(8, {{30, 100, 4}, {90, 9, 2}}));
  artifact.ids["item"] = row_numbers(90);
  artifact.config = {{"data", {{"name", "x"}}}};
  artifact.data_fingerprint = 17;
  const Artifact before = artifact;
  std::vector<int32_t> order(90);
  for (int p = 0; p < 90; ++p) order[p] = (p * 7 + 5) % 90;
  const Compacted report = compact(artifact, counts_of(order));
  EXPECT_EQ(artifact_defect(artifact), "");
  EXPECT_NE(artifact.data_fingerprint, 17U);
  EXPECT_EQ(report.moved, report.encoded);
  for_each_id(artifact, before, [&](int64_t place, int64_t old) {
    const int to = tier_at(items(artifact), place);
    if (tier_at(items(before), old) != to) return;
    EXPECT_EQ(decoded_row(items(artifact), place), decoded_row(items(before), old));
  });
}

TEST_P(EditTest, CompactOfEveryTableOfTheEntity) {
  Artifact artifact = small_artifact();
  artifact.model.tables["mlp.item"] = scalar_table(9, 10, 3);
  artifact.model.tables["other.item"] = low_rank_table(9, 10, 3);
  const Artifact before = artifact;
  const std::vector<int32_t> order = {8, 0, 3, 1, 2, 7, 6, 5, 4};
  compact(artifact, counts_of(order));
  EXPECT_EQ(artifact_defect(artifact), "");
  for (size_t p = 0; p < 9; ++p)
    EXPECT_EQ(artifact.ids.at("item").strings[p], before.ids.at("item").strings[order[p]]);
  for (const auto& [table, array] : {std::pair{"mlp.item", "cells"}, {"other.item", "factor"}}) {
    const auto& is = artifact.model.tables.at(table).arrays.at(array).bytes;
    const auto& was = before.model.tables.at(table).arrays.at(array).bytes;
    const size_t bytes = was.size() / 9;
    for (size_t p = 0; p < 9; ++p)
      EXPECT_TRUE(std::equal(&is[p * bytes], &is[p * bytes] + bytes, &was[order[p] * bytes]));
  }
  expect_equal(artifact.model.tables.at("user"), before.model.tables.at("user"));
  EXPECT_EQ(artifact.ids.at("user"), before.ids.at("user"));
}

TEST_P(EditTest, CompactOfNothingChangesNothing) {
  Artifact artifact = small_artifact();
  const Compacted report = compact(artifact, {});
  EXPECT_EQ(report.moved, 0);
  expect_equal(artifact, small_artifact());
}

TEST_P(EditTest, CompactAfterAppendCutsTiersAnew) {
  Artifact artifact = converted(1000, {64, 16}, {0.1});
  append(artifact, clustered(1000, kDim, 200, 1), following_ids(artifact.ids.at("item"), 1000));
  std::vector<double> counts(2000, 1.0);
  for (int64_t r = 1000; r < 1200; ++r) counts[r] = 9.0;  // the new ones are wanted
  const Artifact before = artifact;
  const Compacted report = compact(artifact, counts, {0.1});
  EXPECT_EQ(report.tier_rows, (std::vector<int64_t>{200, 1800}));
  EXPECT_EQ(report.moved, 300);
  EXPECT_EQ(report.encoded, 100);  // the old head
  EXPECT_EQ(artifact.ids.at("item").integers.front(), 1000);
  for (int64_t place = 0; place < 200; ++place)
    EXPECT_EQ(decoded_row(items(artifact), place), decoded_row(items(before), 1000 + place));
}

TEST_P(EditTest, TablesInStages) {
  for (const bool rotate : {false, true}) {
    Artifact artifact = converted(1000, {64, 16}, {0.1}, 2, rotate);
    const Artifact before = artifact;
    const std::vector<float> rows = clustered(100, kDim, 200, 1);
    const Appended appended = append(artifact, rows, following_ids(before.ids.at("item"), 100));
    double error = 0.0;
    for (int64_t r = 0; r < 100; ++r)
      error +=
          squared_distance(&rows[r * kDim], decoded_row(items(artifact), 1000 + r).data(), kDim);
    EXPECT_NEAR(appended.errors.squared_error, error, 1e-4 * error);
    EXPECT_LT(appended.errors.relative(), 1.3 * appended.last_tier);
    EXPECT_EQ(artifact_defect(artifact), "");

    artifact = before;
    std::vector<int32_t> order(1000);
    std::iota(order.begin(), order.end(), 0);
    std::reverse(order.begin(), order.end());
    const Compacted report = compact(artifact, counts_of(order));
    EXPECT_EQ(report.encoded, 100);
    EXPECT_EQ(artifact_defect(artifact), "");
    double lost = 0.0;
    for_each_id(artifact, before, [&](int64_t place, int64_t old) {
      const std::vector<float> was = decoded_row(items(before), old);
      const std::vector<float> is = decoded_row(items(artifact), place);
      if (old >= 100) {
        EXPECT_EQ(is, was) << place;
        return;
      }
      lost += squared_distance(was.data(), is.data(), kDim);
    });
    EXPECT_NEAR(report.errors.squared_error, lost, 1e-4 * lost);
  }
}

TEST_P(EditTest, CompactRefuses) {
  Artifact artifact = small_artifact();
  EXPECT_CONTAINS(refusal([&] { compact(artifact, {}, {0.1}); }), "3 tiers");
  EXPECT_CONTAINS(refusal([&] { compact(artifact, {}, {0.5, 0.1}); }), "ascending");
  EXPECT_CONTAINS(refusal([&] { compact(artifact, {}, {0.5}, "user"); }), "no tiers");
  artifact.model.tables["item"] = hashed_table(9, 10, 4);
  EXPECT_CONTAINS(refusal([&] { compact(artifact, {1, 2, 3, 4, 5, 6, 7, 8, 9}); }), "hashed");
}

// ---- files of ids and counts
// ----------------------------------------------------------------------

class IdFilesTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  ScratchFolder folder_;
};

TEST_F(IdFilesTest, IntegersOrTexts) {
  EXPECT_EQ(read_ids(file("a", "7\n-2\n0\n"), 3), integers({7, -2, 0}));
  EXPECT_EQ(read_ids(file("b", "7\n007\nx y\n"), 3), (OriginalIds{{}, {"7", "007", "x y"}}));
  EXPECT_EQ(read_ids(file("c.npy", npy_text(npy_header("<i8", "(2,)"),
                                            bytes_of(std::vector<int64_t>{5, -1}))),
                     2),
            integers({5, -1}));
}

TEST_F(IdFilesTest, RefusedIds) {
  EXPECT_CONTAINS(refusal([&] { read_ids(file("a", "7\n8\n"), 3); }), "2 ids");
  EXPECT_CONTAINS(refusal([&] { read_ids(file("a", "7\n8\n9\n10\n"), 3); }), "a:4");
  EXPECT_CONTAINS(refusal([&] { read_ids(file("a", "7\n8\n7\n"), 3); }), "id 7 stands for two");
  EXPECT_CONTAINS(refusal([&] { read_ids(file("a", "x\ny\nx\n"), 3); }), "id \"x\"");
  EXPECT_CONTAINS(refusal([&] { read_ids("/nowhere/ids", 3); }), "no such file");
  const std::string floats =
      npy_text(npy_header("<f4", "(2,)"), bytes_of(std::vector<float>{5, 1}));
  EXPECT_CONTAINS(refusal([&] { read_ids(file("f.npy", floats), 2); }), "int64");
  EXPECT_CONTAINS(refusal([&] { read_ids(file("f.npy", floats), 3); }), "(3,)");
}

TEST_F(IdFilesTest, Counts) {
  const std::vector<double> expected = {0, 4, 2.5};
  EXPECT_EQ(read_counts(file("a", "2 2.5\n1 4\n"), row_numbers(3)), expected);
  EXPECT_EQ(read_counts(file("b", "30,2.5\n-2,4\n"), integers({7, -2, 30})), expected);
  EXPECT_EQ(read_counts(file("c", "x y\t2.5\nb\t4\n"), {{}, {"a", "b", "x y"}}), expected);
  EXPECT_EQ(read_counts(file("d.npy", npy_text(npy_header("<f8", "(3,)"), bytes_of(expected))),
                        row_numbers(3)),
            expected);
}

TEST_F(IdFilesTest, ArraysOfEveryType) {
  const std::vector<double> expected = {3, 0, 1};
  const auto counts = [&](const char* descr, const auto& values) {
    return read_counts(file("n.npy", npy_text(npy_header(descr, "(3,)"), bytes_of(values))),
                       row_numbers(3));
  };
  EXPECT_EQ(counts("<f4", std::vector<float>{3, 0, 1}), expected);
  EXPECT_EQ(counts("<f2", std::vector<uint16_t>{0x4200, 0, 0x3C00}), expected);
  EXPECT_EQ(counts("<i4", std::vector<int32_t>{3, 0, 1}), expected);
  EXPECT_EQ(counts("<i8", std::vector<int64_t>{3, 0, 1}), expected);
  EXPECT_EQ(counts("<u8", std::vector<uint64_t>{3, 0, 1}), expected);
  EXPECT_EQ(counts("|u1", std::vector<uint8_t>{3, 0, 1}), expected);
  const std::string ids =
      npy_text(npy_header("<i4", "(2,)"), bytes_of(std::vector<int32_t>{5, -1}));
  EXPECT_EQ(read_ids(file("i.npy", ids), 2), integers({5, -1}));
}

TEST_F(IdFilesTest, RefusedCounts) {
  const auto refused = [&](const std::string& text) {
    return refusal([&] { read_counts(file("a", text), row_numbers(3)); });
  };
  EXPECT_CONTAINS(refused("1 4\n3 1\n"), "a:2: the table has no id \"3\"");
  EXPECT_CONTAINS(refused("1 4\n1 1\n"), "a:2: id \"1\" has a count already");
  EXPECT_CONTAINS(refused("1 -4\n"), "a:1: the count -4");
  EXPECT_CONTAINS(refused("1 many\n"), "a:1: count \"many\"");
  EXPECT_CONTAINS(refused("1\n"), "a:1: expected an id and its count");
  const std::string nan =
      npy_text(npy_header("<f4", "(3,)"), bytes_of(std::vector<float>{1, NAN, 2}));
  EXPECT_CONTAINS(refusal([&] { read_counts(file("n.npy", nan), row_numbers(3)); }), "row 1");
}

}  // namespace
}  // namespace mgqe::testing

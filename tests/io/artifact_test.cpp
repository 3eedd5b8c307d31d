// The packed artifact comes back as it was; one that does not fit together is refused.
#include "host/io/artifact.hpp"

#include <cmath>
#include <cstring>
#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/io/safetensors.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::edit_artifact;
using testing::expect_equal;
using testing::refusal;
using testing::ScratchFolder;
using testing::small_artifact;
using testing::table_of_every_scheme;

/// Writes the artifact, lets `edit` change arrays or metadata, and returns the refusal.
std::string refusal_after(const std::function<void(SafetensorsFile&)>& edit,
                          const Artifact& artifact = small_artifact()) {
  const ScratchFolder folder;
  const auto path = folder / "model.safetensors";
  write_artifact(path, artifact);
  edit_artifact(path, edit);
  const std::string message = refusal([&] { read_artifact(path); });
  EXPECT_EQ(message.rfind(path.string() + ": not a valid mgqe artifact: ", 0), 0u) << message;
  return message;
}

std::string refusal_with_metadata(const std::string& key, const std::string& value) {
  return refusal_after([&](SafetensorsFile& file) { file.metadata[key] = value; });
}

/// ... with `from` replaced, the first time it stands in the description of the tables.
std::string refusal_with_item(const std::string& from, const std::string& to,
                              const Artifact& artifact = small_artifact()) {
  return refusal_after(
      [&](SafetensorsFile& file) {
        std::string& tables = file.metadata["tables"];
        const size_t at = tables.find(from);
        ASSERT_NE(at, std::string::npos) << tables;
        tables.replace(at, from.size(), to);
      },
      artifact);
}

TEST(Artifact, RoundTrip) {
  const ScratchFolder folder;
  SizeReport read_size;
  const SizeReport size = write_artifact(folder / "model.safetensors", small_artifact());
  expect_equal(small_artifact(), read_artifact(folder / "model.safetensors", &read_size));
  EXPECT_EQ(to_json(size), to_json(read_size));
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Artifact, RoundTripOfEveryScheme) {
  const ScratchFolder folder;
  for (const PackedTable& table : table_of_every_scheme()) {
    Artifact artifact = small_artifact();
    artifact.model.tables["item"] = table;
    artifact.model.task = "relevance";
    SizeReport read_size;
    const SizeReport size = write_artifact(folder / "x", artifact);
    SCOPED_TRACE(table.scheme);
    expect_equal(artifact, read_artifact(folder / "x", &read_size));
    EXPECT_EQ(to_json(size), to_json(read_size));
    EXPECT_EQ(size.full_bits, 32 * (3 + 9) * 10);
  }
}

TEST(Artifact, CodebooksOfOtherTypesAreRefused) {
  Artifact artifact = small_artifact();
  artifact.model.tables["item"] = testing::with_half_codebooks(artifact.model.tables.at("item"));
  EXPECT_CONTAINS(refusal_with_item("\"f16\"", "\"i8\"", artifact),
                  "table item has codebooks of \"i8\" where \"f32\" or \"f16\" belongs");
  EXPECT_CONTAINS(refusal_with_item("\"f16\"", "\"f32\"", artifact),
                  "array codebook is F16 [200, 10] where F32 [200, 10] belongs");
  EXPECT_CONTAINS(
      refusal_with_item("\"private_codebooks\"", "\"codebook_type\":\"f16\",\"private_codebooks\""),
      "array codebook is F32 [200, 10] where F16 [200, 10] belongs");
}

// As version 2 wrote it, which is checked on files of its own in tests/compatibility.
TEST(Artifact, ReadsVersionTwo) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const SafetensorsFile file = testing::version_two(read_safetensors(folder / "x"));
  write_safetensors(folder / "x", file.arrays, file.metadata);
  SizeReport size;
  expect_equal(small_artifact(), read_artifact(folder / "x", &size));
  EXPECT_EQ(size.alignment_bytes, 0);
}

// As version 1 wrote it: no task, one number of subspaces a table, no private codebooks.
TEST(Artifact, ReadsVersionOne) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  SafetensorsFile file = testing::version_two(read_safetensors(folder / "x"));
  file.metadata["version"] = "1";
  file.metadata.erase("task");
  file.metadata["tables"] =
      R"({"item":{"dim":10,"rows":9,"scheme":"mgqe","subspaces":5,"tiers":[{"centroids":200,)"
      R"("end":2},{"centroids":17,"end":5},{"centroids":1,"end":9}]},)"
      R"("user":{"dim":10,"rows":3,"scheme":"full"}})";
  write_safetensors(folder / "x", file.arrays, file.metadata);
  expect_equal(small_artifact(), read_artifact(folder / "x"));
}

TEST(Artifact, TablesOfOneEntityShareItsIds) {
  const ScratchFolder folder;
  Artifact artifact = small_artifact();
  for (const char* part : {"gmf.", "mlp."})
    for (const char* entity : {"user", "item"})
      artifact.model.tables[std::string(part) + entity] = artifact.model.tables[entity];
  artifact.model.tables.erase("user");
  artifact.model.tables.erase("item");
  write_artifact(folder / "x", artifact);
  expect_equal(artifact, read_artifact(folder / "x"));
}

TEST(Artifact, StoresNoQueryTable) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  std::vector<std::string> names;
  for (const auto& [name, info] : read_safetensors_header(folder / "x").tensors)
    if (!is_pad(name)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"gmf.weights", "ids.item.offsets", "ids.item.order",
                                             "ids.item.text", "ids.user", "ids.user.order",
                                             "item.codebook", "item.codes.0", "item.codes.1",
                                             "item.codes.2", "user.table"}));
}

TEST(Artifact, TablesAndIdsStartOnSixtyFourBytes) {
  const ScratchFolder folder;
  for (const PackedTable& table : table_of_every_scheme()) {
    Artifact artifact = small_artifact();
    artifact.model.tables["item"] = table;
    artifact.model.dense["a.odd"] = HostArray(std::vector<uint8_t>{1, 2, 3}, {3});
    artifact.model.dense["b.long"] = HostArray(std::vector<int64_t>{4}, {1});
    const SizeReport size = write_artifact(folder / "x", artifact);
    expect_equal(artifact, read_artifact(folder / "x"));
    const SafetensorsHeader header = read_safetensors_header(folder / "x");
    EXPECT_EQ(header.header_bytes % 64, 0);
    int64_t pads = 0;
    for (const auto& [name, info] : header.tensors) {
      if (is_pad(name)) {
        EXPECT_EQ(info.dtype, DType::kU8);
        EXPECT_LT(info.bytes(), 64);
        pads += info.bytes();
        continue;
      }
      const bool dense = artifact.model.dense.contains(name);
      EXPECT_EQ((header.header_bytes + info.begin) % (dense ? dtype_bytes(info.dtype) : 64), 0)
          << name;
    }
    EXPECT_EQ(size.alignment_bytes, pads);
    EXPECT_GT(pads, 0);
  }
}

TEST(Artifact, OrderSortsTheIds) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const ArrayMap arrays = read_safetensors(folder / "x").arrays;
  const auto order = [&](const std::string& entity) {
    const auto rows = arrays.at("ids." + entity + ".order").as<int32_t>();
    return std::vector<int32_t>(rows.begin(), rows.end());
  };
  EXPECT_EQ(order("user"), (std::vector<int32_t>{1, 0, 2}));
  EXPECT_EQ(order("item"), (std::vector<int32_t>{1, 4, 5, 6, 7, 8, 0, 2, 3}));
}

TEST(Artifact, IdsThatAreRowsTakeNoArray) {
  const ScratchFolder folder;
  Artifact artifact = small_artifact();
  artifact.ids["user"].integers = {0, 1, 2};
  const SizeReport size = write_artifact(folder / "x", artifact);
  expect_equal(artifact, read_artifact(folder / "x"));
  const SafetensorsHeader header = read_safetensors_header(folder / "x");
  EXPECT_FALSE(header.tensors.contains("ids.user"));
  EXPECT_FALSE(header.tensors.contains("ids.user.order"));
  EXPECT_CONTAINS(header.metadata.at("entities"), R"("user":{"ids":"rows","rows":3})");
  EXPECT_EQ(size.id_bytes, 12 + 10 * 8 + 9 * 4);  // of the items: text, offsets, order
  artifact.ids["user"].integers = {0, 2, 1};
  write_artifact(folder / "x", artifact);
  expect_equal(artifact, read_artifact(folder / "x"));
}

TEST(Artifact, RefusesWhatIsNotVersionThree) {
  const auto with_entities = [](const std::string& value) {
    return refusal_with_metadata("entities", value);
  };
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.metadata.erase("entities"); }),
                  "metadata entities is missing");
  EXPECT_CONTAINS(with_entities("{"), "entities is not JSON");
  EXPECT_CONTAINS(with_entities("[]"), "does not describe \"item\"");
  EXPECT_CONTAINS(with_entities(R"({"item":{}})"), "entity item lacks a whole number \"rows\"");
  EXPECT_CONTAINS(with_entities(R"({"item":{"rows":9,"ids":"names"}})"),
                  R"(entity item has ids "names" where "rows", "integers" or "text" belongs)");
  EXPECT_CONTAINS(with_entities(R"({"item":{"rows":8,"ids":"text"}})"),
                  "table item has 9 rows, but 8 original ids");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.arrays.erase("ids.item.order"); }),
                  "array ids.item.order is missing");
}

/// Of the table "item" of 9 rows: 5 ids at its beginning, 1 at its end.
constexpr const char* kFields = R"({"dense": ["price"], "features": [
  {"name": "page", "table": "item", "ids": 6, "bag": false, "runs": [[5, 0], [6, 3]]}]})";

TEST(Artifact, FieldsRoundTrip) {
  const ScratchFolder folder;
  Artifact artifact = small_artifact();
  EXPECT_TRUE(artifact.fields.is_null());
  artifact.fields = nlohmann::json::parse(kFields);
  write_artifact(folder / "x", artifact);
  EXPECT_EQ(read_artifact(folder / "x").fields, artifact.fields);
}

TEST(Artifact, RefusesFieldsWhoseRowsAreNotThere) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string fields = kFields;
    const size_t at = fields.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return refusal_with_metadata("fields", fields.replace(at, from.size(), to));
  };
  EXPECT_CONTAINS(refusal_with_metadata("fields", "[]"), "lacks a list \"features\" or \"dense\"");
  EXPECT_CONTAINS(refusal_with_metadata("fields", "{"), "fields is not JSON");
  EXPECT_CONTAINS(with("\"price\"", "7"), "\"dense\" has what is no name");
  EXPECT_CONTAINS(with("\"name\"", "\"title\""), "a feature has no name");
  EXPECT_CONTAINS(with("\"item\"", "\"pages\""), "feature page lies in a table that is not there");
  EXPECT_CONTAINS(with("false", "0"), "feature page lacks a true or false \"bag\"");
  EXPECT_CONTAINS(with("\"runs\"", "\"rows\""), "feature page has no runs");
  EXPECT_CONTAINS(with("[6, 3]", "[6]"), "feature page has a run that is not [end, shift]");
  EXPECT_CONTAINS(with("[6, 3]", "[4, 3]"), "has runs that do not follow each other");
  EXPECT_CONTAINS(with("[6, 3]", "[7, 2]"), "has runs that do not follow each other");
  EXPECT_CONTAINS(with("[6, 3]", "[6, 4]"), "has ids whose rows are not in table item");
  EXPECT_CONTAINS(with("[5, 0]", "[5, -1]"), "has ids whose rows are not in table item");
  EXPECT_CONTAINS(with(", [6, 3]", ""), "feature page has 6 ids, and rows for 5");
}

TEST(Artifact, RefusesMisalignedArrays) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const SafetensorsFile file = read_safetensors(folder / "x");
  ArrayMap arrays;
  for (const auto& [name, array] : file.arrays)
    if (!is_pad(name)) arrays[name] = array;
  write_safetensors(folder / "x", arrays, file.metadata);
  const std::string message = refusal([&] { read_artifact(folder / "x"); });
  EXPECT_CONTAINS(message, "starts at byte ");
  EXPECT_CONTAINS(message, " where a multiple of 64 belongs");
}

TEST(Artifact, RefusesOrdersThatDoNotSort) {
  const auto with_order = [](std::vector<int32_t> order) {
    return refusal_after([&](SafetensorsFile& f) {
      f.arrays["ids.user.order"] = HostArray(order, {static_cast<int64_t>(order.size())});
    });
  };
  EXPECT_CONTAINS(with_order({0, 1, 2}),
                  "ids.user: order does not sort the ids: row 0 stands "
                  "before row 1 at place 1");
  EXPECT_CONTAINS(with_order({1, 0, 0}), "row 0 stands before row 0 at place 2");
  EXPECT_CONTAINS(with_order({1, 0, 3}), "order has row 3 at place 2, of 3 rows");
  EXPECT_CONTAINS(with_order({1, 0, -1}), "order has row -1");
  EXPECT_CONTAINS(with_order({1, 0}), "ids: array ids.user.order is I32 [2] where I32 [3] belongs");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["ids.user"] = HostArray(std::vector<int64_t>{7, 7, 9}, {3});
                  }),
                  "rows 0 and 1 both have the id 7");
}

TEST(Artifact, RefusesOtherFormatsAndVersions) {
  EXPECT_CONTAINS(refusal_with_metadata("format", "mgqe-checkpoint"),
                  "\"format\": \"mgqe-artifact\"");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.metadata.erase("format"); }), "format");
  EXPECT_CONTAINS(
      refusal_with_metadata("version", "4"),
      "version is 4, this program reads versions 1 to 3: it was written by a newer one");
  EXPECT_CONTAINS(refusal_with_metadata("version", "0"), "version is 0");
  EXPECT_CONTAINS(refusal_with_metadata("version", "one"), "\"one\" where a whole number belongs");
}

TEST(Artifact, RefusesBadMetadata) {
  EXPECT_CONTAINS(refusal_with_metadata("seed", "-1"), "seed is \"-1\"");
  EXPECT_CONTAINS(refusal_with_metadata("seed", "18446744073709551616"), "seed");
  EXPECT_CONTAINS(refusal_with_metadata("config", "{"), "config is not JSON");
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_CONTAINS(refusal_with_metadata("config", deep), "config nests deeper than 64 levels");
  EXPECT_CONTAINS(refusal_with_metadata("tables", "[]"), "tables is not a JSON object");
  EXPECT_CONTAINS(refusal_with_metadata("tables", "{}"), "no embedding table");
  EXPECT_CONTAINS(refusal_with_metadata("tables", R"({"item":5})"), "\"rows\"");
  EXPECT_CONTAINS(refusal_with_metadata("backbone", ""), "backbone has no name");
  EXPECT_CONTAINS(refusal_with_metadata("task", "sorting"), "unknown task \"sorting\"");
  for (const char* key : {"backbone", "task", "tables", "config", "seed", "best_epoch",
                          "data_fingerprint", "commit", "device", "version"})
    EXPECT_CONTAINS(refusal_after([&](SafetensorsFile& f) { f.metadata.erase(key); }),
                    std::string("metadata ") + key + " is missing");
}

TEST(Artifact, RefusesAttributesThatDoNotFit) {
  EXPECT_CONTAINS(refusal_with_item("\"rows\":9", "\"rows\":8"), "tiers end at row 9 of 8");
  EXPECT_CONTAINS(refusal_with_item("\"rows\":9", "\"rows\":\"9\""),
                  "lacks a whole number \"rows\"");
  EXPECT_CONTAINS(refusal_with_item("\"rows\":9", "\"rows\":-9"), "out of range");
  EXPECT_CONTAINS(refusal_with_item("\"dim\":10", "\"dim\":15"),
                  "array codebook is F32 [200, 10] where F32 [200, 15] belongs");
  EXPECT_CONTAINS(refusal_with_item("\"subspaces\":5", "\"subspaces\":3"),
                  "3 subspaces do not divide dimension 10");
  EXPECT_CONTAINS(refusal_with_item("\"subspaces\":5", "\"subspaces\":0"), "0 subspaces");
  EXPECT_CONTAINS(refusal_with_item("\"subspaces\":5", "\"subspaces\":2"),
                  "tier 1 has 5 subspaces in a codebook of 2");
  EXPECT_CONTAINS(refusal_with_item("\"private_codebooks\":false", "\"private_codebooks\":0"),
                  "lacks a true or false \"private_codebooks\"");
  EXPECT_CONTAINS(refusal_with_item("\"private_codebooks\":false", "\"private_codebooks\":true"),
                  "array item.codebook.0 is missing");
  EXPECT_CONTAINS(refusal_with_item("\"scheme\":\"mgqe\"", "\"scheme\":\"dpq_vq\""),
                  "dpq_vq has one tier, not 3");
  EXPECT_CONTAINS(refusal_with_item("\"end\":9", "\"end\":18446744073709551615"),
                  "tier 2 ends at row -1, before it begins");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":200", "\"centroids\":300"), "300 centroids");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":17", "\"centroids\":201"), "1 to 200 belong");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":1,", "\"centroids\":0,"), "0 centroids");
  EXPECT_CONTAINS(refusal_with_item("\"end\":2", "\"end\":6"), "tier 1 ends at row 5");
  EXPECT_CONTAINS(refusal_with_item("\"scheme\":\"mgqe\"", "\"scheme\":\"magic\""),
                  "unknown scheme \"magic\"");
  EXPECT_CONTAINS(refusal_with_item("\"scheme\":\"mgqe\"", "\"scheme\":5"), "has no scheme");
  EXPECT_CONTAINS(refusal_with_item("\"tiers\":", "\"tires\":"), "needs a list of 1 to 8 tiers");
}

TEST(Artifact, RefusesMissingAndMisshapenArrays) {
  for (const char* name : {"item.codebook", "item.codes.1", "user.table", "ids.item.text"})
    EXPECT_CONTAINS(refusal_after([&](SafetensorsFile& f) { f.arrays.erase(name); }),
                    std::string("array ") + name + " is missing");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.arrays.erase("ids.user"); }),
                  "ids.user");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["user.table"].shape = {10, 3};
                  }),
                  "array table is F32 [10, 3] where F32 [3, 10] belongs");
  EXPECT_CONTAINS(
      refusal_after([](SafetensorsFile& f) { f.arrays["user.table"].dtype = DType::kI32; }),
      "I32 [3, 10]");
}

TEST(Artifact, RefusesCodesThatAreNoCentroids) {
  // Tier 1 has K = 17, five bits: 20 fits the bits, not the codebook.
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.arrays["item.codes.1"].bytes[4] = 20; }),
                  "row 3 has code 20 where codes are below 17");
}

TEST(Artifact, RefusesRotationsThatAreNone) {
  Artifact artifact = small_artifact();
  artifact.model.tables["item"] =
      testing::staged_table(testing::quantized_shape(10, 5, {2, 5, 9}, {200, 17, 1}), 2, true);
  for (const float value : {3.0f, NAN})
    EXPECT_CONTAINS(refusal_after(
                        [&](SafetensorsFile& f) {
                          std::memcpy(f.arrays["item.rotation"].bytes.data(), &value, 4);
                        },
                        artifact),
                    "rotation is not orthogonal: rows 0 and 0 have the product");
  EXPECT_CONTAINS(refusal_with_item("\"rotated\":true", "\"rotated\":1", artifact),
                  "lacks a true or false \"rotated\"");
}

TEST(Artifact, RefusesPadsThatAlignNothing) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  testing::edit_artifact(folder / "x", [](SafetensorsFile& f) {
    f.arrays["pax.77"] = HostArray(std::vector<uint8_t>(64), {64});  // what writes names no pad so
  });
  std::string text = testing::read_text(folder / "x");
  text.replace(text.find("pax.77"), 6, "pad.77");
  const SafetensorsHeader header = read_safetensors_header(Bytes::own(text, "x"));
  EXPECT_CONTAINS(refusal([&] { describe_artifact("x", header); }),
                  "array pad.77 has 64 bytes, more than alignment needs");
}

// What belongs to no centroid when the codebooks are private.
TEST(Artifact, RefusesCodesBeyondPrivateCodebooks) {
  Artifact artifact = small_artifact();
  artifact.model.tables["item"] =
      testing::with_codes(testing::private_shape(10, {{3, 33, 10}, {9, 9, 2}}));
  EXPECT_CONTAINS(
      refusal_after([](SafetensorsFile& f) { f.arrays["item.codes.1"].bytes[2] = 9; }, artifact),
      "row 5 has code 9 where codes are below 9");
  EXPECT_CONTAINS(
      refusal_after([](SafetensorsFile& f) { f.arrays.erase("item.codebook.1"); }, artifact),
      "array item.codebook.1 is missing");
}

TEST(Artifact, RefusesFieldsThatDoNotFit) {
  struct Case {
    PackedTable table;
    const char *from, *to, *why;
  };
  const PackedTable mixed =
      testing::with_floats(testing::mixed_shape(10, {{2, 10}, {5, 4}, {9, 1}}));
  const Case cases[] = {
      {testing::low_rank_table(9, 10, 3), "\"rank\":3", "\"rank\":0", "rank 0 is out of range"},
      {testing::low_rank_table(9, 10, 3), "\"rank\":3", "\"rank\":9223372036854775807",
       "rank 9223372036854775807 is out of range"},
      {testing::low_rank_table(9, 10, 3), "\"rank\":3", "\"rank\":4",
       "array factor is F32 [9, 3] where F32 [9, 4] belongs"},
      {testing::scalar_table(9, 10, 3), "\"bits\":3", "\"bits\":17",
       "bits 17 is out of range: 1 to 16 belong"},
      {testing::scalar_table(9, 10, 3), "\"bits\":3", "\"bits\":3.5",
       "lacks a whole number \"bits\""},
      {testing::scalar_table(9, 10, 3), "\"bits\":3", "\"bits\":4",
       "array cells is U8 [9, 4] where U8 [9, 5] belongs"},
      {testing::hashed_table(9, 10, 4), "\"buckets\":4", "\"buckets\":-4",
       "buckets -4 is out of range"},
      {testing::hashed_table(9, 10, 4), "\"buckets\":4", "\"bockets\":4",
       "lacks a whole number \"buckets\""},
      {mixed, "\"width\":4", "\"width\":11", "block 1 is 11 wide where 1 to 10 belong"},
      {mixed, "\"width\":4", "\"width\":0", "block 1 is 0 wide"},
      {mixed, "\"end\":5", "\"end\":1", "block 1 ends at row 1, before it begins"},
      {mixed, "\"end\":9", "\"end\":8", "blocks end at row 8 of 9"},
      {mixed, "\"blocks\":", "\"block\":", "needs a list of 1 to 8 blocks"},
      {testing::quantized_table(10, 5, {9}, {200}, "dpq_vq"), "\"private_codebooks\":false",
       "\"private_codebooks\":true", "dpq_vq has no private codebooks"},
  };
  for (const Case& c : cases) {
    Artifact artifact = small_artifact();
    artifact.model.tables["item"] = c.table;
    EXPECT_CONTAINS(refusal_with_item(c.from, c.to, artifact), c.why);
  }
}

TEST(Artifact, RefusesBoundsThatAreNoNumbers) {
  Artifact artifact = small_artifact();
  artifact.model.tables["item"] = testing::scalar_table(9, 10, 3);
  for (const char* bound : {"item.low", "item.high"})
    for (const float value : {NAN, INFINITY, -INFINITY})
      EXPECT_CONTAINS(refusal_after(
                          [&](SafetensorsFile& f) {
                            std::memcpy(f.arrays[bound].bytes.data() + 4 * 4, &value, 4);
                          },
                          artifact),
                      "column 4 has bounds");
  EXPECT_CONTAINS(
      refusal_after(
          [&](SafetensorsFile& f) { std::swap(f.arrays["item.low"], f.arrays["item.high"]); },
          artifact),
      "column 0 has bounds");
}

TEST(Artifact, RefusesBadIds) {
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["ids.user"] = HostArray(std::vector<int64_t>{1, 2}, {2});
                  }),
                  "ids: array ids.user is I64 [2] where I64 [3] belongs");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["ids.user"] = HostArray(std::vector<int32_t>{1, 2, 3}, {3});
                  }),
                  "array ids.user is I32 [3] where I64 [3] belongs");
  const auto with_offsets = [](std::vector<int64_t> offsets) {
    return refusal_after([&](SafetensorsFile& f) {
      f.arrays["ids.item.offsets"] = HostArray(offsets, {static_cast<int64_t>(offsets.size())});
    });
  };
  EXPECT_CONTAINS(with_offsets({}), "ids.item.offsets is I64 [0] where I64 [10] belongs");
  const int64_t n = 12;
  EXPECT_CONTAINS(with_offsets({0, 1, 1, 4, 6, 7, 8, 9, 10, 11}),
                  "do not run from 0 to the 12 bytes");
  EXPECT_CONTAINS(with_offsets({0, 5, 4, 5, 6, 7, 8, 9, 10, n}), "not ascending at row 1");
  EXPECT_CONTAINS(with_offsets({0, 1, 1, 99, 6, 7, 8, 9, 10, n}), "not ascending at row 2");
}

TEST(Artifact, ChecksWhatItIsGiven) {
  const ScratchFolder folder;
  const auto refuses = [&](const std::function<void(Artifact&)>& edit, const char* why) {
    Artifact artifact = small_artifact();
    edit(artifact);
    try {
      write_artifact(folder / "x", artifact);
      ADD_FAILURE() << why;
    } catch (const Error& error) {
      EXPECT_CONTAINS(error.what(), why);
    }
  };
  refuses([](Artifact& a) { a.ids.erase("item"); }, "original ids of \"item\" are missing");
  refuses([](Artifact& a) { a.ids["author"] = {}; }, "belong to no table");
  refuses([](Artifact& a) { a.ids["user"].strings = {"x"}; }, "4 original ids");
  refuses([](Artifact& a) { a.model.tables["item"].arrays["query"] = HostArray(); },
          "does not know");
  refuses([](Artifact& a) { a.model.dense["ids.user"] = HostArray(); }, "two arrays named");
  refuses([](Artifact& a) { a.model.dense["pad.0"] = HostArray(); }, "named as a pad");
  refuses(
      [](Artifact& a) {
        a.ids["user"].integers = {4, 5, 4};
      },
      "ids of \"user\": rows 0 and 2 both have the id 4");
  refuses([](Artifact& a) { a.ids["item"].strings[3] = "b c"; },
          "ids of \"item\": rows 2 and 3 both have the id \"b c\"");
  EXPECT_EQ(folder.entries(), 0);
}

TEST(Artifact, DamagedFileIsRefused) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  std::string text = testing::read_text(folder / "x");
  text[text.size() - 3] ^= 4;
  testing::write_text(folder / "x", text);
  EXPECT_CONTAINS(refusal([&] { read_artifact(folder / "x"); }), "the file is damaged");
}

}  // namespace
}  // namespace mgqe

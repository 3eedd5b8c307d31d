// The packed artifact comes back as it was; one that does not fit together is refused.
#include <functional>

#include <gtest/gtest.h>

#include "host/io/artifact.hpp"
#include "host/io/safetensors.hpp"
#include "tests/io_testing.hpp"

namespace mgqe {
namespace {

using testing::expect_equal;
using testing::refusal;
using testing::ScratchFolder;
using testing::small_artifact;

/// Writes the small artifact, lets `edit` change arrays or metadata, and returns the refusal.
std::string refusal_after(const std::function<void(SafetensorsFile&)>& edit) {
  const ScratchFolder folder;
  const auto path = folder / "model.safetensors";
  write_artifact(path, small_artifact());
  SafetensorsFile file = read_safetensors(path);
  edit(file);
  write_safetensors(path, file.arrays, file.metadata);
  const std::string message = refusal([&] { read_artifact(path); });
  EXPECT_EQ(message.rfind(path.string() + ": not a valid mgqe artifact: ", 0), 0u) << message;
  return message;
}

std::string refusal_with_metadata(const std::string& key, const std::string& value) {
  return refusal_after([&](SafetensorsFile& file) { file.metadata[key] = value; });
}

std::string refusal_with_item(const std::string& from, const std::string& to) {
  return refusal_after([&](SafetensorsFile& file) {
    std::string& tables = file.metadata["tables"];
    const size_t at = tables.find(from);
    ASSERT_NE(at, std::string::npos) << tables;
    tables.replace(at, from.size(), to);
  });
}

TEST(Artifact, RoundTrip) {
  const ScratchFolder folder;
  SizeReport read_size;
  const SizeReport size = write_artifact(folder / "model.safetensors", small_artifact());
  expect_equal(small_artifact(), read_artifact(folder / "model.safetensors", &read_size));
  EXPECT_EQ(to_json(size), to_json(read_size));
  EXPECT_EQ(folder.entries(), 1);
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
    names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"gmf.weights", "ids.item.offsets", "ids.item.text",
                                             "ids.user", "item.codebook", "item.codes.0",
                                             "item.codes.1", "item.codes.2", "user.table"}));
}

TEST(Artifact, RefusesOtherFormatsAndVersions) {
  EXPECT_CONTAINS(refusal_with_metadata("format", "mgqe-checkpoint"),
                  "\"format\": \"mgqe-artifact\"");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) { f.metadata.erase("format"); }), "format");
  EXPECT_CONTAINS(refusal_with_metadata("version", "2"),
                  "version is 2, this program reads version 1: it was written by a newer one");
  EXPECT_CONTAINS(refusal_with_metadata("version", "one"), "\"one\" where a whole number belongs");
}

TEST(Artifact, RefusesBadMetadata) {
  EXPECT_CONTAINS(refusal_with_metadata("seed", "-1"), "seed is \"-1\"");
  EXPECT_CONTAINS(refusal_with_metadata("seed", "18446744073709551616"), "seed");
  EXPECT_CONTAINS(refusal_with_metadata("config", "{"), "config is not JSON");
  EXPECT_CONTAINS(refusal_with_metadata("tables", "[]"), "tables is not a JSON object");
  EXPECT_CONTAINS(refusal_with_metadata("tables", "{}"), "no embedding table");
  EXPECT_CONTAINS(refusal_with_metadata("tables", R"({"item":5})"), "\"rows\"");
  EXPECT_CONTAINS(refusal_with_metadata("backbone", ""), "backbone has no name");
  for (const char* key : {"backbone", "tables", "config", "seed", "best_epoch", "data_fingerprint",
                          "commit", "device", "version"})
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
                  "array codes.0 is U8 [2, 5] where U8 [2, 2] belongs");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":200", "\"centroids\":300"), "300 centroids");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":17", "\"centroids\":201"), "1 to 200 belong");
  EXPECT_CONTAINS(refusal_with_item("\"centroids\":1,", "\"centroids\":0,"), "0 centroids");
  EXPECT_CONTAINS(refusal_with_item("\"end\":2", "\"end\":6"), "tier 1 ends at row 5");
  EXPECT_CONTAINS(refusal_with_item("\"scheme\":\"mgqe\"", "\"scheme\":\"magic\""),
                  "unknown scheme \"magic\"");
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

TEST(Artifact, RefusesBadIds) {
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["ids.user"] = HostArray(std::vector<int64_t>{1, 2}, {2});
                  }),
                  "table user has 3 rows, but 2 original ids");
  EXPECT_CONTAINS(refusal_after([](SafetensorsFile& f) {
                    f.arrays["ids.user"] = HostArray(std::vector<int32_t>{1, 2, 3}, {3});
                  }),
                  "ids.user is not of type I64");
  const auto with_offsets = [](std::vector<int64_t> offsets) {
    return refusal_after([&](SafetensorsFile& f) {
      f.arrays["ids.item.offsets"] = HostArray(offsets, {static_cast<int64_t>(offsets.size())});
    });
  };
  EXPECT_CONTAINS(with_offsets({}), "do not run from 0");
  EXPECT_CONTAINS(with_offsets({0, 1}), "do not run from 0 to the 12 bytes");
  EXPECT_CONTAINS(with_offsets({0, 9, 8, 12}), "not ascending");
  EXPECT_CONTAINS(with_offsets({0, 9, 99, 12}), "not ascending");
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

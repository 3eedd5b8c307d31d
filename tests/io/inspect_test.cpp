// `inspect` names every part of a file, with bytes that add up.
#include "host/io/console/inspect.hpp"

#include <gtest/gtest.h>

#include "host/io/safetensors.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;
using testing::ScratchFolder;
using testing::small_artifact;

TEST(Inspect, Artifact) {
  const ScratchFolder folder;
  const SizeReport size = write_artifact(folder / "x", small_artifact());
  const std::string text = inspect(folder / "x");
  for (const SizeReport::Part& part : size.parts)
    EXPECT_CONTAINS(text, part.name == "header"      ? "(header)"
                          : part.name == "alignment" ? "(alignment)"
                                                     : part.name);
  EXPECT_CONTAINS(text,
                  "2 rows D=5 K=200 (8 bits), 3 rows D=5 K=17 (5 bits), 4 rows D=5 K=1 (0 bits)");
  EXPECT_CONTAINS(text, "task ranking");
  EXPECT_CONTAINS(text, "version 3, arrays of tables and ids start on 64 bytes: ");
  EXPECT_CONTAINS(text, "item       9  text      stored: id to row is a binary search");
  EXPECT_CONTAINS(text, "user       3  integers  stored");
  EXPECT_CONTAINS(text, " B of alignment");
  EXPECT_CONTAINS(text, "best epoch 7");
  EXPECT_CONTAINS(text, "fedcba9876543210");
  EXPECT_CONTAINS(text, "name=ml-1m");

  const auto json = inspect_json(folder / "x");
  EXPECT_EQ(json.at("format"), kArtifactFormat);
  EXPECT_EQ(json.at("version"), kArtifactVersion);
  EXPECT_EQ(json.at("task"), "ranking");
  EXPECT_EQ(json.at("size"), to_json(size));
  EXPECT_EQ(json.at("alignment"), 64);
  EXPECT_EQ(json.at("entities").at("item").at("ids"), "text");
  EXPECT_EQ(json.at("tables").at("item").at("tiers")[1].at("bits_per_code"), 5);
  EXPECT_EQ(json.at("config"), nlohmann::ordered_json(small_artifact().config));
  int64_t bytes = size.header_bytes;
  for (const auto& array : json.at("arrays")) bytes += array.at("bytes").get<int64_t>();
  EXPECT_EQ(bytes, size.file_bytes);
}

TEST(Inspect, IdsThatAreRowsAndOlderVersions) {
  const ScratchFolder folder;
  Artifact artifact = small_artifact();
  artifact.ids["user"].integers = {0, 1, 2};
  write_artifact(folder / "x", artifact);
  EXPECT_CONTAINS(inspect(folder / "x"), "user       3  rows  none: the id is the row");
  artifact.ids["user"].integers = {5, 1, 2};
  write_artifact(folder / "x", artifact);
  const SafetensorsFile file = testing::version_two(read_safetensors(folder / "x"));
  write_safetensors(folder / "x", file.arrays, file.metadata);
  const std::string text = inspect(folder / "x");
  EXPECT_CONTAINS(text, "version 2, arrays start on their element size");
  EXPECT_CONTAINS(text, "none: readers sort the ids");
  EXPECT_EQ(text.find("(alignment)"), std::string::npos);
  EXPECT_EQ(inspect_json(folder / "x").at("entities").at("user").at("ordered"), false);
}

TEST(Inspect, EveryScheme) {
  const ScratchFolder folder;
  Artifact artifact = small_artifact();
  artifact.model.tables.clear();
  artifact.ids.erase("user");
  int number = 0;
  for (const PackedTable& table : testing::table_of_every_scheme())
    artifact.model.tables[std::to_string(number++) + ".item"] = table;
  write_artifact(folder / "x", artifact);
  const std::string text = inspect(folder / "x");
  for (const char* layout :
       {"rank=3", "bits=3", "buckets=4", "9 rows D=2 K=17 (5 bits)",
        "3 rows D=10 K=33 (6 bits), 6 rows D=2 K=33 (6 bits), a codebook a tier",
        "centroids of 16 bits", "2 rows of 10, 3 rows of 4, 4 rows of 1"})
    EXPECT_CONTAINS(text, layout);
  const auto json = inspect_json(folder / "x");
  EXPECT_EQ(json.at("tables").at("1.item").at("rank"), 3);
  EXPECT_EQ(json.at("tables").at("8.item").at("blocks")[1].at("width"), 4);
  EXPECT_EQ(json.at("tables").at("12.item").at("private_codebooks"), true);
  EXPECT_EQ(json.at("tables").at("13.item").at("tiers")[0].at("subspaces"), 10);
}

TEST(Inspect, OtherFiles) {
  const ScratchFolder folder;
  const ArrayMap arrays = {{"user.query", HostArray(std::vector<float>(3000), {1000, 3})}};
  write_safetensors(folder / "x", arrays,
                    {{"format", "mgqe-checkpoint"}, {"long", std::string(500, 'z')}});
  const std::string text = inspect(folder / "x");
  EXPECT_CONTAINS(text, "user.query  F32   [1000, 3]  12,000");
  EXPECT_CONTAINS(text, "mgqe-checkpoint");
  EXPECT_CONTAINS(text, std::string(100, 'z') + "...");
  const auto json = inspect_json(folder / "x");
  EXPECT_EQ(json.at("format"), "mgqe-checkpoint");
  EXPECT_EQ(json.at("arrays")[0].at("shape"), (std::vector<int64_t>{1000, 3}));

  write_safetensors(folder / "y", arrays, {});
  EXPECT_TRUE(inspect_json(folder / "y").at("format").is_null());
}

TEST(Inspect, RefusesWhatItCannotRead) {
  const ScratchFolder folder;
  EXPECT_CONTAINS(refusal([&] { inspect(folder / "none"); }), "no such file");
  EXPECT_CONTAINS(refusal([&] { inspect_json(folder / "none"); }), "no such file");
}

}  // namespace
}  // namespace mgqe

// An artifact served from its file: all that was written is there where it lies, of every version;
// opening looks at no array; and what is wrong is refused in one line, by open() or by verify().
#include "host/serve/artifact_view.hpp"

#include <cstring>
#include <functional>
#include <limits>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "host/io/artifact.hpp"
#include "host/packed/packed_scheme.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::edit_artifact;
using testing::read_text;
using testing::refusal;
using testing::ScratchFolder;
using testing::small_artifact;
using testing::table_of_every_scheme;
using testing::write_text;

/// What the view gives is what the artifact has, array by array.
void expect_view_of(const Artifact& artifact, const ArtifactView& view) {
  EXPECT_EQ(view.backbone(), artifact.model.backbone);
  EXPECT_EQ(view.task(), artifact.model.task);
  EXPECT_EQ(view.config(), artifact.config);
  EXPECT_EQ(view.seed(), artifact.seed);
  EXPECT_EQ(view.best_epoch(), artifact.best_epoch);
  EXPECT_EQ(view.data_fingerprint(), artifact.data_fingerprint);
  EXPECT_EQ(view.commit(), artifact.commit);
  EXPECT_EQ(view.device(), artifact.device);
  ASSERT_EQ(view.table_names().size(), artifact.model.tables.size());
  const auto expect_array = [](const HostArray& array, const ArrayView& there) {
    EXPECT_EQ(there.dtype, array.dtype);
    EXPECT_EQ(there.shape, array.shape);
    EXPECT_TRUE(std::ranges::equal(there.bytes, array.bytes));
  };
  for (const auto& [name, table] : artifact.model.tables) {
    const TableView& there = view.table(name);
    SCOPED_TRACE(name + " by " + table.scheme);
    EXPECT_TRUE(there.form().arrays.empty());
    PackedTable form = there.form();
    ASSERT_EQ(there.arrays().size(), table.arrays.size());
    for (const auto& [array, values] : table.arrays) {
      expect_array(values, there.view(array));
      form.arrays[array] = values;
    }
    testing::expect_equal(table, form);
  }
  ASSERT_EQ(view.dense().size(), artifact.model.dense.size());
  for (const auto& [name, values] : artifact.model.dense) expect_array(values, view.dense(name));
  ASSERT_EQ(view.entities().size(), artifact.ids.size());
  for (const auto& [entity, ids] : artifact.ids) {
    const IdMap& map = view.ids(entity);
    ASSERT_EQ(map.size(), ids.size());
    for (int64_t r = 0; r < ids.size(); ++r) {
      const std::string id = ids.strings.empty() ? std::to_string(ids.integers[r]) : ids.strings[r];
      EXPECT_EQ(map.text_of(r), id);
      EXPECT_EQ(map.row_of(id), r);
    }
  }
}

Artifact artifact_with_item(const PackedTable& table) {
  Artifact artifact = small_artifact();
  artifact.model.tables["item"] = table;
  return artifact;
}

TEST(ArtifactView, GivesWhatWasWrittenOfEveryScheme) {
  const ScratchFolder folder;
  for (const PackedTable& table : table_of_every_scheme()) {
    const Artifact artifact = artifact_with_item(table);
    const SizeReport size = write_artifact(folder / "x", artifact);
    for (const bool map : {true, false}) {
      const ArtifactView view = ArtifactView::open(folder / "x", {.map = map});
      expect_view_of(artifact, view);
      view.verify();
      EXPECT_EQ(view.version(), 3);
      EXPECT_EQ(view.name(), (folder / "x").string());
      EXPECT_EQ(to_json(view.sizes()), to_json(size));
      EXPECT_TRUE(view.copied().empty());
      for (const auto& [name, array] : view.table("item").arrays())
        EXPECT_EQ(reinterpret_cast<uintptr_t>(array.bytes.data()) % 64, 0u) << name;
    }
  }
}

TEST(ArtifactView, CodedTablesAsKernelsTakeThem) {
  const ScratchFolder folder;
  const PackedTable table =
      testing::with_codes(testing::private_shape(10, {{3, 33, 10}, {9, 9, 2}}));
  write_artifact(folder / "x", artifact_with_item(table));
  const ArtifactView view = ArtifactView::open(folder / "x");
  const PackedTiers packed = view.table("item").packed_tiers();
  check_packed_tiers(packed, 10);
  ASSERT_EQ(packed.ranges.count, 2);
  EXPECT_EQ(packed.ranges.end[1], 9);
  EXPECT_EQ(packed.ranges.centroids[1], 9);
  EXPECT_EQ(packed.tiers[1].bits, 4);
  EXPECT_EQ(packed.tiers[1].codebook, view.table("item").as<float>("codebook.1").data());
  for (int64_t row = 0; row < 9; ++row) {
    const int tier = packed.ranges.tier_of(row);
    const auto& codes = table.arrays.at("codes." + std::to_string(tier)).bytes;
    const int64_t bytes = packed.tiers[tier].row_bytes();
    EXPECT_EQ(std::memcmp(packed.row(tier, row),
                          codes.data() + (row - packed.ranges.begin(tier)) * bytes, bytes),
              0);
  }
  EXPECT_THROW(view.table("user").packed_tiers(), Error);
}

TEST(ArtifactView, OpensTheFilesOfOlderCommits) {
  int files = 0;
  const std::filesystem::path folder =
      std::filesystem::path(MGQE_SOURCE_DIR) / "tests/compatibility";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename() != "model.safetensors") continue;
    SCOPED_TRACE(entry.path());
    SizeReport size;
    const Artifact artifact = read_artifact(entry.path(), &size);
    const ArtifactView view = ArtifactView::open(entry.path());
    EXPECT_LT(view.version(), 3);
    expect_view_of(artifact, view);
    EXPECT_EQ(to_json(view.sizes()), to_json(size));
    EXPECT_TRUE(view.copied().empty());
    view.verify();
    ++files;
  }
  EXPECT_GE(files, 9);
}

TEST(ArtifactView, OpensVersionOne) {
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
  const ArtifactView view = ArtifactView::open(folder / "x");
  EXPECT_EQ(view.version(), 1);
  expect_view_of(small_artifact(), view);
  view.verify();
}

/// The file with a header of exactly `header_bytes`, filled up with spaces.
std::string with_header_of(const std::string& file, size_t header_bytes) {
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  std::string header = file.substr(8, length);
  header.erase(header.find_last_not_of(' ') + 1);
  EXPECT_LE(header.size() + 8, header_bytes);
  header.resize(header_bytes - 8, ' ');
  const uint64_t longer = header.size();
  std::string result(reinterpret_cast<const char*>(&longer), sizeof longer);
  return result + header + file.substr(8 + length);
}

// Arrays behind memory that may not be touched: to look at one would end the program.
TEST(ArtifactView, OpeningTouchesNoArray) {
  const ScratchFolder folder;
  constexpr size_t kPage = 4096, kHeader = 2 * kPage;
  for (const PackedTable& table : table_of_every_scheme()) {
    write_artifact(folder / "x", artifact_with_item(table));
    const std::string file = with_header_of(read_text(folder / "x"), kHeader);
    void* const memory = mmap(nullptr, file.size() + kPage, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::memcpy(memory, file.data(), file.size());
    uint8_t* const start = static_cast<uint8_t*>(memory);
    ASSERT_EQ(mprotect(start + kHeader, file.size() + kPage - kHeader, PROT_NONE), 0);
    const ArtifactView view = ArtifactView::open(Bytes::view({start, file.size()}));
    EXPECT_EQ(view.table("item").rows(), 9);
    EXPECT_EQ(view.ids("item").size(), 9);
    munmap(memory, file.size() + kPage);
  }
}

TEST(ArtifactView, GarbageOpensAndIsNotVerified) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  std::string file = read_text(folder / "x");
  const auto header = read_safetensors_header(folder / "x").header_bytes;
  for (size_t i = static_cast<size_t>(header); i < file.size(); ++i)
    file[i] = static_cast<char>(random_u64(1, i));
  write_text(folder / "x", file);
  const ArtifactView view = ArtifactView::open(folder / "x");
  EXPECT_CONTAINS(refusal([&] { view.verify(); }), "the file is damaged");
  // Whatever is asked of it is answered or refused.
  const auto ask = [](const std::function<int64_t()>& look_up) {
    try {
      return look_up();
    } catch (const InputError&) {
      return int64_t{-1};
    }
  };
  for (const char* id : {"a", "4", "zz"})
    EXPECT_LT(ask([&] { return view.ids("item").row_of(id); }), 9);
  for (int64_t row = 0; row < 9; ++row)
    EXPECT_LT(ask([&] { return static_cast<int64_t>(view.ids("item").text_of(row).size()); }),
              static_cast<int64_t>(file.size()));
  EXPECT_LT(ask([&] { return view.ids("user").row_of(int64_t{0}); }), 3);
}

TEST(ArtifactView, ArraysAtOddAddressesAreCopied) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  SafetensorsFile file = testing::version_two(read_safetensors(folder / "x"));
  write_safetensors(folder / "x", file.arrays, file.metadata);
  const std::string whole = read_text(folder / "x");
  for (const size_t shift : {1, 2, 4}) {  // as in a file by others, whose header has any length
    const auto header = static_cast<size_t>(file.header_bytes) + 64 + shift;
    write_text(folder / "y", with_header_of(whole, header));
    const ArtifactView view = ArtifactView::open(folder / "y");
    const auto copied = [&](const char* name) {
      return std::ranges::find(view.copied(), name) != view.copied().end();
    };
    const bool odd_header = header % 8 != 0;
    EXPECT_EQ(copied("ids.user"), odd_header);
    EXPECT_EQ(copied("item.codebook"), header % 4 != 0);
    EXPECT_FALSE(copied("item.codes.0"));
    expect_view_of(small_artifact(), view);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.table("user").as<float>("table").data()) % 4, 0u);
  }
}

TEST(ArtifactView, NamesThatAreNotThere) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const ArtifactView view = ArtifactView::open(folder / "x");
  const std::string file = (folder / "x").string();
  EXPECT_EQ(refusal([&] { view.table("author"); }),
            file + " has no table \"author\"; its tables are item, user");
  EXPECT_EQ(refusal([&] { view.ids("author"); }),
            file + " has no entity \"author\"; its entities are item, user");
  EXPECT_EQ(refusal([&] { view.dense("bias"); }),
            file + " has no weights \"bias\"; its weights are gmf.weights");
  EXPECT_EQ(refusal([&] { view.table("item").array("codes.7"); }),
            file +
                ": table item has no array \"codes.7\"; its arrays are codebook, codes.0, "
                "codes.1, codes.2");
  EXPECT_TRUE(view.has_table("item"));
  EXPECT_FALSE(view.has_table("author"));
  EXPECT_THROW(view.table("item").as<int32_t>("codebook"), Error);
}

TEST(ArtifactView, ServesOnWhenTheFileIsReplacedOrRemoved) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const ArtifactView before = ArtifactView::open(folder / "x");
  Artifact other = artifact_with_item(testing::hashed_table(9, 10, 4));
  other.ids["user"].integers = {1, 2, 3};
  write_artifact(folder / "x", other);
  const ArtifactView after = ArtifactView::open(folder / "x");
  std::filesystem::remove(folder / "x");
  expect_view_of(small_artifact(), before);
  expect_view_of(other, after);
  before.verify();
  after.verify();
}

TEST(ArtifactView, CopiesOutliveTheOriginal) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const auto copy = [&] { return ArtifactView(ArtifactView::open(folder / "x")); }();
  expect_view_of(small_artifact(), copy);
}

// ---- what open() refuses ------------------------------------------------------------------------

TEST(ArtifactView, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const std::string whole = read_text(folder / "x");
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<int64_t>(length));
    const std::string message = refusal([&] { ArtifactView::open(Bytes::view(cut)); });
    ASSERT_EQ(message.rfind("<memory>: ", 0), 0u) << length << " bytes: " << message;
  }
}

/// The refusal to open a file in which `from` has become `to`, of the same length.
std::string refusal_of_text(const std::string& from, const std::string& to) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  std::string file = read_text(folder / "x");
  const size_t at = file.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << file.substr(8, 3000);
  EXPECT_EQ(from.size(), to.size());
  write_text(folder / "x", file.replace(at, from.size(), to));
  return refusal([&] { ArtifactView::open(folder / "x"); });
}

TEST(ArtifactView, RefusesWhatDoesNotFit) {
  EXPECT_CONTAINS(
      refusal_of_text(R"("version":"3")", R"("version":"4")"),
      "version is 4, this program reads versions 1 to 3: it was written by a newer one");
  EXPECT_CONTAINS(refusal_of_text("mgqe-artifact", "mgqe-artefact"),
                  R"(does not say "format": "mgqe-artifact")");
  EXPECT_CONTAINS(refusal_of_text("\"item.codes.1\"", "\"item.codes.9\""),
                  "array item.codes.1 is missing");
  EXPECT_CONTAINS(refusal_of_text("\"ids.user.order\"", "\"ids.user.odder\""),
                  "array ids.user.order is missing");
  EXPECT_CONTAINS(refusal_of_text(R"(\"rows\":9)", R"(\"rows\":8)"),
                  "table item has 9 rows, but 8 original ids");
  EXPECT_CONTAINS(refusal_of_text("\"shape\":[3,4]", "\"shape\":[4,3]"),
                  "table item: array codes.1 is U8 [4, 3] where U8 [3, 4] belongs");
  EXPECT_CONTAINS(refusal_of_text("[0,8000]", "[0,8001]"), "do not fit shape [200, 10] of F32");
}

/// Offsets are checked to fill the file, so that arrays neither overlap nor leave it.
TEST(ArtifactView, RefusesArraysThatOverlapOrLieOutside) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const SafetensorsHeader header = read_safetensors_header(folder / "x");
  const TensorInfo& codes = header.tensors.at("item.codes.0");
  const auto offsets = [](int64_t begin, int64_t end) {
    return fmt::format("[{},{}]", begin, end);
  };
  const std::string before = offsets(codes.begin, codes.end);
  EXPECT_CONTAINS(refusal_of_text(before, offsets(codes.begin - 1, codes.end - 1)),
                  "gap or overlap");
  EXPECT_CONTAINS(refusal_of_text(before, offsets(codes.begin + 1, codes.end + 1)),
                  "gap or overlap");
  EXPECT_CONTAINS(refusal_of_text(before, offsets(9990, 9999)), "lies at bytes 9990 to 9999 of ");
}

TEST(ArtifactView, RefusesMisalignedArrays) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const int64_t header = read_safetensors_header(folder / "x").header_bytes;
  write_text(folder / "x",
             with_header_of(read_text(folder / "x"), static_cast<size_t>(header) + 8));
  EXPECT_CONTAINS(refusal([&] { ArtifactView::open(folder / "x"); }),
                  "where a multiple of 64 belongs");
}

// ---- what verify() refuses ----------------------------------------------------------------------

std::string refusal_to_verify(const Artifact& artifact,
                              const std::function<void(SafetensorsFile&)>& edit) {
  const ScratchFolder folder;
  write_artifact(folder / "x", artifact);
  ArtifactView::open(folder / "x").verify();
  edit_artifact(folder / "x", edit);
  const ArtifactView view = ArtifactView::open(folder / "x");
  const std::string message = refusal([&] { view.verify(); });
  EXPECT_EQ(message.rfind((folder / "x").string() + ": ", 0), 0u) << message;
  return message;
}

void set_float(HostArray& array, int64_t at, float value) {
  std::memcpy(array.bytes.data() + 4 * at, &value, sizeof value);
}

TEST(ArtifactView, VerifyFindsCodesThatAreNoCentroids) {
  EXPECT_CONTAINS(
      refusal_to_verify(small_artifact(),
                        [](SafetensorsFile& f) { f.arrays["item.codes.1"].bytes[4] = 20; }),
      "table item: row 3 has code 20 where codes are below 17");
}

TEST(ArtifactView, VerifyFindsWeightsThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto edit = [](const char* array, int64_t at, float value) {
    return [=](SafetensorsFile& f) { set_float(f.arrays[array], at, value); };
  };
  EXPECT_CONTAINS(refusal_to_verify(small_artifact(), edit("item.codebook", 1234, nan)),
                  "array item.codebook: row 123, column 4 is nan");
  EXPECT_CONTAINS(refusal_to_verify(small_artifact(), edit("user.table", 29, -infinity)),
                  "array user.table: row 2, column 9 is -inf");
  EXPECT_CONTAINS(refusal_to_verify(small_artifact(), edit("gmf.weights", 10, infinity)),
                  "array gmf.weights: element 10 is inf");
  const Artifact low_rank = artifact_with_item(testing::low_rank_table(9, 10, 3));
  EXPECT_CONTAINS(refusal_to_verify(low_rank, edit("item.basis", 10, nan)),
                  "array item.basis: row 1, column 0 is nan");
  const Artifact scalar = artifact_with_item(testing::scalar_table(9, 10, 3));
  EXPECT_CONTAINS(refusal_to_verify(scalar, edit("item.low", 4, nan)),
                  "table item: column 4 has bounds nan to ");
}

TEST(ArtifactView, VerifyFindsOrdersThatDoNotSort) {
  const auto with_order = [](std::vector<int32_t> order) {
    return refusal_to_verify(small_artifact(), [&](SafetensorsFile& f) {
      f.arrays["ids.user.order"] = HostArray(order, {3});
    });
  };
  EXPECT_CONTAINS(with_order({0, 1, 2}), "ids of user: order does not sort the ids");
  EXPECT_CONTAINS(with_order({1, 0, 0}), "ids of user: order does not sort the ids");
  EXPECT_CONTAINS(with_order({1, 0, 1 << 30}), "order has row 1073741824 at place 2, of 3 rows");
  EXPECT_CONTAINS(
      refusal_to_verify(small_artifact(),
                        [](SafetensorsFile& f) { f.arrays["ids.item.text"].bytes[0] = 'z'; }),
      "ids of item: order does not sort the ids");
}

TEST(ArtifactView, VerifyFindsEveryFlippedBitOfTheArrays) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const std::string whole = read_text(folder / "x");
  const auto header = static_cast<size_t>(read_safetensors_header(folder / "x").header_bytes);
  for (size_t i = header; i < whole.size(); i += 97) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 1 << i % 8);
    const ArtifactView view = ArtifactView::open(Bytes::own(flipped));
    EXPECT_CONTAINS(refusal([&] { view.verify(); }), "the file is damaged");
  }
}

}  // namespace
}  // namespace mgqe

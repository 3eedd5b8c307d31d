// Safetensors: what is written is what the format says and what comes back; anything else is
// refused.
#include "host/io/safetensors.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::expect_equal;
using testing::FileLimit;
using testing::read_text;
using testing::refusal;
using testing::ScratchFolder;
using testing::write_text;

ArrayMap sample_arrays() {
  ArrayMap arrays;
  arrays["a.bytes"] = HostArray(std::vector<uint8_t>{1, 2, 255}, {3});
  arrays["b.float"] = HostArray(std::vector<float>{1.5f, -2.0f, 0.0f, 4.0f, 5.0f, 6.0f}, {2, 3});
  arrays["c.double"] = HostArray(std::vector<double>{0.1, -1e300}, {2});
  arrays["d.int"] = HostArray(std::vector<int32_t>{-7}, {});  // a scalar
  arrays["e.long"] = HostArray(std::vector<int64_t>{int64_t{1} << 60, -1}, {1, 2});
  arrays["f.unsigned"] = HostArray(std::vector<uint64_t>{~uint64_t{0}}, {1});
  arrays["h.half"] = HostArray(std::vector<Half>{{0x3C00}, {0xFBFF}}, {2});
  arrays["g.empty"] = HostArray(std::vector<uint8_t>{}, {4, 0});
  return arrays;
}

/// The file of a header and data, assembled here by hand.
std::string raw_file(std::string header, const std::string& data) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

std::string refusal_of(const std::string& content) {
  const ScratchFolder folder;
  const auto path = folder / "x.safetensors";
  write_text(path, content);
  const std::string message = refusal([&] { read_safetensors(path); });
  EXPECT_EQ(message.rfind(path.string(), 0), 0u) << message;
  return message;
}

TEST(Safetensors, RoundTrip) {
  const ScratchFolder folder;
  const StringMap metadata = {{"format", "test"}, {"quote", "a \"b\"\n\xC3\xA9"}, {"empty", ""}};
  const FileBytes bytes = write_safetensors(folder / "x", sample_arrays(), metadata);
  const SafetensorsFile file = read_safetensors(folder / "x");
  expect_equal(sample_arrays(), file.arrays);
  EXPECT_EQ(file.metadata, metadata);
  EXPECT_EQ(file.header_bytes, bytes.header);
  EXPECT_EQ(file.file_bytes, bytes.file);
  EXPECT_EQ(file.file_bytes, static_cast<int64_t>(std::filesystem::file_size(folder / "x")));
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Safetensors, NoArraysAndNoMetadata) {
  const ScratchFolder folder;
  write_safetensors(folder / "x", ArrayMap{}, {});
  const SafetensorsFile file = read_safetensors(folder / "x");
  EXPECT_TRUE(file.arrays.empty());
  EXPECT_TRUE(file.metadata.empty());
}

TEST(Safetensors, LayoutFollowsTheFormat) {
  const ScratchFolder folder;
  const ArrayMap arrays = sample_arrays();
  write_safetensors(folder / "x", arrays, {{"k", "v"}});
  const std::string text = read_text(folder / "x");
  uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const auto header = nlohmann::json::parse(text.substr(8, length));
  EXPECT_EQ(header.at("__metadata__").at("k"), "v");
  size_t data_bytes = 0;
  for (const auto& [name, array] : arrays) {
    const auto& entry = header.at(name);
    const size_t begin = entry.at("data_offsets")[0], end = entry.at("data_offsets")[1];
    EXPECT_EQ(entry.at("shape"), nlohmann::json(array.shape)) << name;
    EXPECT_EQ(text.substr(8 + length + begin, end - begin),
              std::string(array.bytes.begin(), array.bytes.end()))
        << name;
    const size_t element_bytes =
        array.bytes.size() / static_cast<size_t>(std::max<int64_t>(array.size(), 1));
    EXPECT_EQ(begin % std::max<size_t>(element_bytes, 1), 0u) << name;
    data_bytes += array.bytes.size();
  }
  EXPECT_EQ(text.size(), 8 + length + data_bytes);
  EXPECT_EQ(header.at("c.double").at("dtype"), "F64");
  EXPECT_EQ(header.at("f.unsigned").at("dtype"), "U64");
}

TEST(Safetensors, HeaderAloneDescribesTheArrays) {
  const ScratchFolder folder;
  write_safetensors(folder / "x", sample_arrays(), {{"k", "v"}});
  const SafetensorsHeader header = read_safetensors_header(folder / "x");
  EXPECT_EQ(header.tensors.at("b.float").bytes(), 24);
  EXPECT_EQ(header.tensors.at("b.float").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.metadata, (StringMap{{"k", "v"}}));
}

TEST(Safetensors, ReadsFilesOfOthersWithoutChecksum) {
  const ScratchFolder folder;
  write_text(folder / "x",
             raw_file(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "ab"));
  const SafetensorsFile file = read_safetensors(folder / "x");
  EXPECT_EQ(file.arrays.at("t").bytes, (std::vector<uint8_t>{'a', 'b'}));
}

TEST(Safetensors, EveryFlippedBitIsNoticed) {
  const ScratchFolder folder;
  const StringMap metadata = {{"format", "test"}};
  write_safetensors(folder / "x", sample_arrays(), metadata);
  const std::string whole = read_text(folder / "x");
  // Flips in the key "crc32" itself switch the check off; nothing else may change then.
  int harmless = 0;
  for (size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
      write_text(folder / "x", flipped);
      try {
        const SafetensorsFile file = read_safetensors(folder / "x");
        expect_equal(sample_arrays(), file.arrays);
        EXPECT_EQ(file.metadata.at("format"), "test");
        ++harmless;
      } catch (const InputError&) {
      }
    }
  EXPECT_LE(harmless, 5 * 8);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  write_safetensors(folder / "x", sample_arrays(), {});
  const std::string whole = read_text(folder / "x");
  for (size_t length = 0; length < whole.size(); ++length) {
    write_text(folder / "x", whole.substr(0, length));
    refusal([&] { read_safetensors(folder / "x"); });
  }
  write_text(folder / "x", whole + '\0');
  EXPECT_CONTAINS(refusal([&] { read_safetensors(folder / "x"); }), "end at byte");
}

TEST(Safetensors, RefusesWhatIsNoFile) {
  const ScratchFolder folder;
  EXPECT_CONTAINS(refusal([&] { read_safetensors(folder / "none"); }), "none: no such file");
  EXPECT_CONTAINS(refusal([&] { read_safetensors(folder.path()); }), "not a file");
}

TEST(Safetensors, RefusesBadHeaders) {
  EXPECT_CONTAINS(refusal_of("abc"), "3 bytes, fewer than the 8");
  EXPECT_CONTAINS(refusal_of(std::string("\x09\0\0\0\0\0\0\0{}", 10)),
                  "should have 9 bytes, but only 2");
  EXPECT_CONTAINS(refusal_of(std::string(8, '\xFF') + "{}"), "18446744073709551615 bytes");
  EXPECT_CONTAINS(refusal_of(raw_file("{\"t\":", "")), "not a JSON object");
  EXPECT_CONTAINS(refusal_of(raw_file("[1]", "")), "not a JSON object");
  EXPECT_CONTAINS(refusal_of(raw_file(R"({"__metadata__":[]})", "")), "__metadata__");
  EXPECT_CONTAINS(refusal_of(raw_file(R"({"__metadata__":{"a":1}})", "")), "\"a\" is not a string");
  EXPECT_CONTAINS(refusal_of(raw_file(R"({"t":5})", "")), "lacks dtype");
  EXPECT_CONTAINS(refusal_of(raw_file(std::string(60, '['), "")), "not a JSON object");
  // What is quoted in a message is written by recursion.
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_CONTAINS(refusal_of(raw_file(
                      R"({"t":{"dtype":"U8","data_offsets":[0,0],"shape":[)" + deep + "]}}", "")),
                  "its header nests deeper than 64 levels");
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

TEST(Safetensors, RefusesHeadersWithoutMeasure) {
  const ScratchFolder folder;
  const uint64_t length = 100'000'001;
  std::string start(sizeof length, '\0');
  std::memcpy(start.data(), &length, sizeof length);
  write_text(folder / "x", start);
  std::filesystem::resize_file(folder / "x", length + 100);  // a hole
  EXPECT_CONTAINS(refusal([&] { read_safetensors_header(Bytes::map(folder / "x")); }),
                  "header has 100000001 bytes, over the limit of 100000000");
}

TEST(Safetensors, RefusesBadTensors) {
  const auto one = [](const char* dtype, const char* shape, const char* offsets) {
    return refusal_of(
        raw_file(fmt::format("{{{}}}", tensor("t", dtype, shape, offsets)), "12345678"));
  };
  EXPECT_CONTAINS(
      one("F8", "[8]", "[0,8]"),
      "\"t\" has dtype F8; F32, F64, BF16, F16, U8, I8, I32, I64 and U64 are supported");
  EXPECT_CONTAINS(one("F32", "2", "[0,8]"), "shape is not a list");
  EXPECT_CONTAINS(one("F32", "[-2]", "[0,8]"), "shape has -2");
  EXPECT_CONTAINS(one("F32", "[2.0]", "[0,8]"), "shape has 2.0");
  EXPECT_CONTAINS(one("F32", "[2]", "[8]"), "two data_offsets");
  EXPECT_CONTAINS(one("F32", "[2]", "[8,0]"), "lies at bytes 8 to 0 of 8");
  EXPECT_CONTAINS(one("F32", "[4]", "[0,16]"), "lies at bytes 0 to 16 of 8");
  EXPECT_CONTAINS(one("F32", "[3]", "[0,8]"), "8 bytes, which do not fit shape [3] of F32");
  EXPECT_CONTAINS(one("F32", "[4611686018427387904,2,2]", "[0,8]"), "do not fit shape");
  EXPECT_CONTAINS(one("F32", "[18446744073709551615]", "[0,8]"), "shape has 18446744073709551615");
  EXPECT_CONTAINS(one("F32", "[1]", "[0,4]"), "end at byte 4 of 8");
  EXPECT_CONTAINS(one("F32", "[1]", "[4,8]"), "begins at byte 4 where 0 was due");
}

TEST(Safetensors, RefusesOverlap) {
  const std::string header =
      "{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("b", "U8", "[6]", "[2,8]") + "}";
  EXPECT_CONTAINS(refusal_of(raw_file(header, "12345678")),
                  "\"b\" begins at byte 2 where 4 was due");
}

TEST(Safetensors, RefusesToWriteWhereItCannot) {
  const ScratchFolder folder;
  const auto message = refusal([&] { write_safetensors(folder / "none/x", sample_arrays(), {}); });
  EXPECT_CONTAINS(message, (folder / "none/x").string());
  EXPECT_CONTAINS(message, "No such file");
}

TEST(Safetensors, FullDiskLeavesTheOldFile) {
  const ScratchFolder folder;
  write_safetensors(folder / "x", sample_arrays(), {});
  const std::string before = read_text(folder / "x");
  std::string message;
  {
    const FileLimit limit(100);
    message = refusal([&] { write_safetensors(folder / "x", sample_arrays(), {}); });
  }
  EXPECT_CONTAINS(message, "x could not be written: File too large");
  EXPECT_EQ(read_text(folder / "x"), before);
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Safetensors, ChecksWhatItIsGiven) {
  const ScratchFolder folder;
  ArrayMap arrays = sample_arrays();
  EXPECT_THROW(write_safetensors(folder / "x", arrays, {{"crc32", "0"}}), Error);
  arrays["a.bytes"].bytes.pop_back();
  EXPECT_THROW(write_safetensors(folder / "x", arrays, {}), Error);
  EXPECT_THROW(write_safetensors(folder / "x", {{"__metadata__", HostArray()}}, {}), Error);
  EXPECT_EQ(folder.entries(), 0);
}

}  // namespace
}  // namespace mgqe

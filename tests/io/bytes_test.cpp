// Readers over bytes: from memory, from a file that is read and from one that is mapped, every
// reader gives the same; cut anywhere, a file is refused in one line.
#include "host/io/bytes.hpp"

#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "host/io/checkpoint.hpp"
#include "host/io/checksum.hpp"
#include "host/io/console/inspect.hpp"
#include "host/io/safetensors.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::expect_equal;
using testing::read_text;
using testing::refusal;
using testing::ScratchFolder;
using testing::small_artifact;
using testing::write_text;

TEST(Bytes, FilesReadAndMappedAndMemoryHoldTheSame) {
  const ScratchFolder folder;
  for (const std::string& text :
       {std::string(), std::string("a\0b", 3), std::string(70'000, 'x')}) {
    write_text(folder / "x", text);
    EXPECT_EQ(Bytes::map(folder / "x").text(), text);
    EXPECT_EQ(Bytes::read(folder / "x").text(), text);
    EXPECT_EQ(Bytes::own(text).text(), text);
    EXPECT_EQ(Bytes::view(text).text(), text);
    EXPECT_EQ(Bytes::view(Bytes::own(text).span()).size(), static_cast<int64_t>(text.size()));
  }
  EXPECT_EQ(Bytes::map(folder / "x").name(), (folder / "x").string());
  EXPECT_EQ(Bytes::view("a").name(), "<memory>");
}

TEST(Bytes, CopiesKeepThemAlive) {
  const ScratchFolder folder;
  write_text(folder / "x", "text of a file");
  Bytes mapped, owned;
  {
    const Bytes first = Bytes::map(folder / "x"), second = Bytes::own(std::string(100, 'y'));
    mapped = first;
    owned = second;
  }
  std::filesystem::remove(folder / "x");
  EXPECT_EQ(mapped.text(), "text of a file");
  EXPECT_EQ(owned.text(), std::string(100, 'y'));
}

TEST(Bytes, PipesAreReadToTheirEnd) {
  const ScratchFolder folder;
  const std::string path = (folder / "pipe").string(), text(300'000, 'z');
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { write_text(path, text); });
  const Bytes bytes = Bytes::map(path);
  writer.join();
  EXPECT_EQ(bytes.text(), text);
}

TEST(Bytes, RefusalsNameThePathAndTheReason) {
  const ScratchFolder folder;
  EXPECT_EQ(refusal([&] { Bytes::map(folder / "none"); }),
            (folder / "none").string() + ": no such file");
  EXPECT_EQ(refusal([&] { Bytes::read(folder.path()); }), folder.path().string() + ": not a file");
  write_text(folder / "x", "");
  EXPECT_EQ(refusal([&] { Bytes::map(folder / "x/y"); }),
            (folder / "x/y").string() + ": cannot be read: Not a directory");
}

TEST(Checksum, OfPiecesIsThatOfTheWhole) {
  EXPECT_EQ(crc32_of(std::string_view("123456789")), 0xCBF43926u);  // the check value of CRC-32
  const uint32_t front = crc32_of(std::string_view("1234"));
  EXPECT_EQ(crc32_of(std::string_view("56789"), front), 0xCBF43926u);
  EXPECT_EQ(join_crc32(front, crc32_of(std::string_view("56789")), 5), 0xCBF43926u);
  EXPECT_EQ(crc32_of(std::span<const uint8_t>(), front), front);
  EXPECT_EQ(crc32_digits(0xAB), "000000ab");
  EXPECT_EQ(find_checksum("{\"crc\":12345678}", "\"crc\":"), 7u);
  EXPECT_EQ(find_checksum("{\"crc\":1234567", "\"crc\":"), std::string_view::npos);
}

/// `read` must refuse every beginning of `whole` but the whole itself, in one line that begins with
/// the name of the bytes. Each lies in a block of its own size, so that a sanitizer sees a read
/// behind it.
void expect_truncations_refused(const std::string& whole,
                                const std::function<void(const Bytes&)>& read) {
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<int64_t>(length));
    const std::string message = refusal([&] { read(Bytes::view(cut)); });
    ASSERT_EQ(message.rfind("<memory>: ", 0), 0u) << length << " bytes: " << message;
  }
  read(Bytes::own(whole));
}

TEST(ReadersOfBytes, SafetensorsFromMemoryIsThatFromTheFile) {
  const ScratchFolder folder;
  ArrayMap arrays;
  arrays["a"] = HostArray(std::vector<float>{1.5f, -2.0f}, {2, 1});
  arrays["b"] = HostArray(std::vector<Bfloat16>{to_bfloat16(0.5f)}, {1});
  arrays["c"] = HostArray(std::vector<uint8_t>{7}, {1});
  write_safetensors(folder / "x", arrays, {{"key", "value"}});
  const std::string whole = read_text(folder / "x");
  const SafetensorsFile file = read_safetensors(folder / "x"),
                        memory = read_safetensors(Bytes::own(whole));
  expect_equal(arrays, memory.arrays);
  EXPECT_EQ(file.metadata, memory.metadata);
  EXPECT_EQ(file.header_bytes, memory.header_bytes);
  EXPECT_EQ(file.file_bytes, memory.file_bytes);
  EXPECT_EQ(file.crc32, memory.crc32);
  EXPECT_EQ(file.crc32, crc32_of(whole));
  EXPECT_EQ(read_safetensors_header(Bytes::own(whole)).tensors.size(), 3u);
  expect_truncations_refused(whole, [](const Bytes& bytes) { read_safetensors(bytes); });
  expect_truncations_refused(whole, [](const Bytes& bytes) { read_safetensors_header(bytes); });
}

TEST(ReadersOfBytes, ArtifactFromMemoryIsThatFromTheFile) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  const std::string whole = read_text(folder / "x");
  SizeReport file_size, memory_size;
  expect_equal(read_artifact(folder / "x", &file_size),
               read_artifact(Bytes::own(whole), &memory_size));
  EXPECT_EQ(to_json(file_size), to_json(memory_size));
  expect_truncations_refused(whole, [](const Bytes& bytes) { read_artifact(bytes); });
}

TEST(ReadersOfBytes, ManifestFromMemoryIsThatFromTheFile) {
  const ScratchFolder folder;
  Checkpoint checkpoint;
  checkpoint.manifest.step = 3;
  checkpoint.manifest.seed = 5;
  checkpoint.arrays["weights"] = HostArray(std::vector<float>{1.0f, 2.0f}, {2});
  write_checkpoint(folder.path(), checkpoint);
  const auto path = folder / checkpoint_name(3);
  std::string whole = read_text(path / "manifest.json");
  const CheckpointManifest file = read_manifest(path), memory = parse_manifest(Bytes::own(whole));
  EXPECT_EQ(file.seed, memory.seed);
  EXPECT_EQ(file.step, memory.step);
  EXPECT_EQ(memory.arrays.at("weights").shape, (std::vector<int64_t>{2}));
  ASSERT_EQ(memory.files.size(), 1u);
  EXPECT_EQ(file.files[0].crc32, memory.files[0].crc32);
  expect_truncations_refused(whole, [](const Bytes& bytes) { parse_manifest(bytes); });
}

/// A manifest with a part replaced and its checksum taken anew, as only intent makes one.
std::string forged(std::string manifest, const std::string& part, const std::string& by) {
  const size_t at = manifest.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  manifest.replace(at, part.size(), by);
  const size_t digits = find_checksum(manifest, "\"crc32\": \"");
  manifest.replace(digits, kNoChecksum.size(), kNoChecksum);
  return manifest.replace(digits, kNoChecksum.size(), crc32_digits(crc32_of(manifest)));
}

TEST(ReadersOfBytes, ManifestsOfImpossibleSizesAreRefused) {
  const ScratchFolder folder;
  Checkpoint checkpoint;
  checkpoint.manifest.step = 3;
  checkpoint.arrays["weights"] = HostArray(std::vector<float>{1.0f, 2.0f}, {2});
  write_checkpoint(folder.path(), checkpoint);
  const std::string whole = read_text(folder / checkpoint_name(3) / "manifest.json");
  const auto refused = [&](const std::string& part, const std::string& by) {
    return refusal([&] { parse_manifest(Bytes::own(forged(whole, part, by))); });
  };
  parse_manifest(Bytes::own(forged(whole, "\"seed\": 0", "\"seed\": 9")));
  EXPECT_CONTAINS(refused("        2\n", "        -2\n"), "array weights has an impossible shape");
  EXPECT_CONTAINS(refused("        2\n", "        9223372036854775807\n"), "an impossible shape");
  EXPECT_CONTAINS(refused("\"F32\"", "\"F33\""), "array weights is of no known type");
  EXPECT_CONTAINS(refused("\"world_size\": 1", "\"world_size\": 0"), "has a world_size of 0");
}

}  // namespace
}  // namespace mgqe

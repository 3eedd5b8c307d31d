// manifest.json of a checkpoint. The checksum is set right unless the first byte is odd, so that
// what stands behind it is reached.
#include "host/io/checkpoint.hpp"
#include "host/io/checksum.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr std::string_view kMark = "\"crc32\": \"";

void read(Input input) {
  if (input.empty()) return;
  std::string text(input.begin() + 1, input.end());
  const size_t digits = find_checksum(text, kMark);
  if (input[0] % 2 == 0 && digits != std::string::npos) {
    text.replace(digits, kNoChecksum.size(), kNoChecksum);
    text.replace(digits, kNoChecksum.size(), crc32_digits(crc32_of(text)));
  }
  const CheckpointManifest manifest = parse_manifest(Bytes::view(text, "manifest.json"));
  FUZZ_EXPECT(manifest.world_size >= 1 && manifest.version <= kCheckpointVersion);
  for (const auto& [name, array] : manifest.arrays)
    for (const int64_t extent : array.shape) FUZZ_EXPECT(extent >= 0, name);
  checkpoint_name(manifest.step);
}

std::vector<std::string> seeds() {
  CheckpointManifest manifest;
  manifest.step = 12;
  manifest.commit = "abc";
  manifest.device = "cpu";
  manifest.config = {{"train", {{"epochs", 2}}}};
  manifest.training = {{"epoch", 1}, {"losses", {0.5, 0.25}}};
  manifest.arrays["user.table"] = {DType::kF32, {3, 4}, ArrayLayout::kRowsSharded};
  manifest.files = {{"rank-0000-of-0001.safetensors", 96, 0xDEADBEEF}};
  write_manifest(scratch_path(""), manifest);
  const std::string text = bytes_of(scratch_path("manifest.json"));
  return {led_by('0', text), led_by('1', text)};
}

const RegisteredTarget kTarget({"manifest", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing

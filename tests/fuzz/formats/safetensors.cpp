// Safetensors files: header, layout, checksum, arrays.
#include "host/io/safetensors.hpp"

#include <string>

#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

void read(Input input) {
  const Bytes bytes = aligned_bytes(input, "a.safetensors");
  const SafetensorsHeader header = read_safetensors_header(bytes);
  const SafetensorsFile file = read_safetensors(bytes);
  verify_safetensors(bytes);
  int64_t all = header.header_bytes;
  for (const auto& [name, info] : header.tensors) {
    FUZZ_EXPECT(file.arrays.at(name).bytes.size() == static_cast<size_t>(info.bytes()), name);
    all += info.bytes();
  }
  FUZZ_EXPECT(all == bytes.size() && file.metadata == header.metadata);
}

std::vector<std::string> seeds() {
  const std::string path = scratch_path("seed.safetensors");
  const HostArray floats(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  const HostArray bytes(std::vector<uint8_t>{7, 8, 9}, {3});
  const HostArray none(std::vector<int64_t>{}, {0, 5});
  const ArrayRefs arrays = {{"a", &floats}, {"b", &bytes}, {"c", &none}};
  write_safetensors(path, arrays, {{"key", "value"}});
  std::string seed = bytes_of(path), unchecked = seed;
  unchecked.replace(unchecked.find("\"crc32\""), 7, "\"crc33\"");  // reaches what it would hide
  return {seed, unchecked};
}

const RegisteredTarget kTarget({"safetensors", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing

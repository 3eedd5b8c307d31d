// Safetensors files: named arrays and string metadata, readable by Python's `safetensors`.
//
// Layout: u64 little-endian length L of the header, L bytes of JSON padded with spaces to a
// multiple of 8, then the arrays one after another, widest element type first, so that each is
// aligned. Files of ours also carry the metadata entry "crc32", the checksum of header and data
// (taken with its own eight digits as zeros); it is checked when present, and neither given nor
// seen by callers. The format knows no holes, so where arrays are to start on more than their
// element size, arrays of zeros named pad.0, pad.1, ... lie between them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

using StringMap = std::map<std::string, std::string>;

/// Arrays to write, by name; they are not owned.
using ArrayRefs = std::map<std::string, const HostArray*>;

/// One of the arrays to write, in the order of the file.
struct PlacedArray {
  std::string name;
  const HostArray* array = nullptr;
  int64_t alignment = 1;  // it starts on a multiple of so many bytes of the file: a power of two
};

struct FileBytes {
  int64_t header = 0;  // everything before the first array: length, JSON and its padding
  int64_t file = 0;
  uint32_t crc32 = 0;  // of the whole file
};

struct TensorInfo {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  int64_t begin = 0, end = 0;  // bytes from the end of the header

  int64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  StringMap metadata;
  int64_t header_bytes = 0;
  int64_t file_bytes = 0;
};

/// Whether an array is there to align the next one.
bool is_pad(std::string_view array_name);

struct SafetensorsFile {
  ArrayMap arrays;
  StringMap metadata;
  int64_t header_bytes = 0;
  int64_t file_bytes = 0;
  uint32_t crc32 = 0;  // of the whole file
};

/// Writes aside and renames. InputError naming the path when it cannot be written; MGQE_CHECK on a
/// name that is empty or reserved, or an array whose bytes do not fit its shape.
FileBytes write_safetensors(const std::filesystem::path& path, const ArrayRefs& arrays,
                            const StringMap& metadata);
FileBytes write_safetensors(const std::filesystem::path& path, const ArrayMap& arrays,
                            const StringMap& metadata);

/// The same, of arrays laid out by the caller; what has been written. No name may be that of a pad.
SafetensorsHeader write_safetensors(const std::filesystem::path& path,
                                    const std::vector<PlacedArray>& arrays,
                                    const StringMap& metadata);

/// InputError, one line with the name and what is wrong, unless the file is whole and consistent:
/// header, shapes, offsets (contiguous, as the format asks) and checksum.
SafetensorsFile read_safetensors(const Bytes& bytes);
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// The header alone, checked in the same way; the data is not looked at.
SafetensorsHeader read_safetensors_header(const Bytes& bytes);
SafetensorsHeader read_safetensors_header(const std::filesystem::path& path);
/// Reads all of a file to compare it with its checksum, if it has one; InputError as above.
void verify_safetensors(const Bytes& bytes);

/// "F32", "U8", ... as the format spells it.
const char* dtype_name(DType dtype);
int64_t dtype_bytes(DType dtype);
/// The type of that name, and all names in one line.
std::optional<DType> find_dtype(std::string_view name);
std::string dtype_names();

}  // namespace mgqe

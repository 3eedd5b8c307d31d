// Arrays in NumPy's .npy files (format versions 1 to 3), where they lie in the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

/// An array of a file that is kept mapped: row-major, little-endian, at any address.
struct FileArray {
  Bytes file;
  std::string name;  // for messages: the path, and the array's name where the file has several
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;  // as many as the shape says

  /// "(1000, 64)"
  std::string shape_text() const;
};

/// InputError, one line with the name, unless the file is a whole .npy of little-endian f2, f4, f8,
/// i4, i8, u1 or u8 in C order.
FileArray read_npy(const Bytes& file);
FileArray read_npy(const std::filesystem::path& path);

}  // namespace mgqe

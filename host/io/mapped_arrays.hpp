// The arrays of a safetensors file where they lie.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/io/bytes.hpp"
#include "host/io/safetensors.hpp"

namespace mgqe {

/// Views of the bytes of a file, whose header has been read of them and checked. An array at an
/// address its elements cannot have is copied to one they can.
class MappedArrays {
 public:
  MappedArrays() = default;
  MappedArrays(Bytes bytes, SafetensorsHeader header);

  const Bytes& bytes() const { return bytes_; }
  const SafetensorsHeader& header() const { return header_; }
  /// Of an array that the header has.
  const ArrayView& at(const std::string& name) const { return views_.at(name); }
  const std::vector<std::string>& copied() const { return copied_; }

 private:
  Bytes bytes_;
  SafetensorsHeader header_;
  ArrayViews views_;
  std::vector<std::string> copied_;
  std::vector<std::shared_ptr<const void>> copies_;
};

}  // namespace mgqe

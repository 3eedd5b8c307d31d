#include "host/io/mapped_arrays.hpp"

#include <utility>

namespace mgqe {

MappedArrays::MappedArrays(Bytes bytes, SafetensorsHeader header)
    : bytes_(std::move(bytes)), header_(std::move(header)) {
  const std::span<const uint8_t> data =
      bytes_.span().subspan(static_cast<size_t>(header_.header_bytes));
  for (const auto& [name, info] : header_.tensors) {
    std::span<const uint8_t> part =
        data.subspan(static_cast<size_t>(info.begin), static_cast<size_t>(info.bytes()));
    const auto address = reinterpret_cast<uintptr_t>(part.data());
    if (!part.empty() && address % static_cast<uintptr_t>(dtype_bytes(info.dtype)) != 0) {
      // Memory of a vector is aligned to any element.
      const auto copy = std::make_shared<const std::vector<uint8_t>>(part.begin(), part.end());
      copies_.push_back(copy);
      copied_.push_back(name);
      part = *copy;
    }
    views_.emplace(name, ArrayView(info.dtype, info.shape, part));
  }
}

}  // namespace mgqe

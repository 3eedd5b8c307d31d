// HostArray: a typed, shaped array in host memory; what checkpoints and artifacts are made of.
// ArrayView: the same where it lies, of a mapped file say.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "host/base/bfloat16.hpp"
#include "host/base/check.hpp"
#include "host/base/half.hpp"

namespace mgqe {

enum class DType { kF32, kF64, kBf16, kF16, kU8, kI32, kI64, kU64, kI8 };

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::kF32;
  if constexpr (std::is_same_v<T, double>) return DType::kF64;
  if constexpr (std::is_same_v<T, Bfloat16>) return DType::kBf16;
  if constexpr (std::is_same_v<T, Half>) return DType::kF16;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kU8;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kI8;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kI32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kI64;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::kU64;
}

struct HostArray {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  HostArray() = default;
  template <class T>
  HostArray(std::span<const T> values, std::vector<int64_t> shape)
      : dtype(dtype_of<T>()), shape(std::move(shape)), bytes(values.size_bytes()) {
    MGQE_CHECK(this->size() == static_cast<int64_t>(values.size()), "shape holds ", size(),
               " values, given ", values.size());
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), values.size_bytes());
  }
  template <class T>
  HostArray(const std::vector<T>& values, std::vector<int64_t> shape)
      : HostArray(std::span<const T>(values), std::move(shape)) {}

  int64_t size() const {
    int64_t product = 1;
    for (const int64_t extent : shape) product *= extent;
    return product;
  }
  /// The values; throws when T is not the array's type.
  template <class T>
  std::span<const T> as() const {
    MGQE_CHECK(dtype == dtype_of<T>(), "array holds another type");
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<size_t>(size())};
  }
};

/// Named arrays in name order.
using ArrayMap = std::map<std::string, HostArray>;

/// Never owns.
struct ArrayView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;  // aligned to the element, as many as the shape says

  ArrayView() = default;
  ArrayView(DType dtype, std::vector<int64_t> shape, std::span<const uint8_t> bytes)
      : dtype(dtype), shape(std::move(shape)), bytes(bytes) {}
  ArrayView(const HostArray&&) = delete;  // it would not last
  ArrayView(const HostArray& array) : ArrayView(array.dtype, array.shape, array.bytes) {}

  /// The values; throws when T is not the array's type.
  template <class T>
  std::span<const T> as() const {
    MGQE_CHECK(dtype == dtype_of<T>(), "array holds another type");
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

/// Floats of an array of f32 or f16, exactly; throws where it is of another type.
inline std::vector<float> widened(const ArrayView& array) {
  if (array.dtype == DType::kF16) {
    std::vector<float> values;
    for (const Half value : array.as<Half>()) values.push_back(to_float(value));
    return values;
  }
  const std::span<const float> values = array.as<float>();
  return {values.begin(), values.end()};
}

/// The same shape, each value rounded to binary16.
inline HostArray narrowed_to_half(const HostArray& floats) {
  std::vector<Half> values;
  for (const float value : floats.as<float>()) values.push_back(to_half(value));
  return {values, floats.shape};
}

using ArrayViews = std::map<std::string, ArrayView>;

inline ArrayViews views_of(const ArrayMap& arrays) { return {arrays.begin(), arrays.end()}; }

}  // namespace mgqe

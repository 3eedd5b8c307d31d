#include "host/serve/finite.hpp"

#include <cmath>

#include <fmt/format.h>

namespace mgqe {

namespace {

double wide(double x) { return x; }
template <class T>
double wide(T x) {
  return static_cast<double>(to_float(x));
}

template <class T>
std::string first_defect(const ArrayView& array) {
  const std::span<const T> values = array.as<T>();
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = wide(values[i]);
    if (std::isfinite(value)) continue;
    if (array.shape.size() < 2) return fmt::format("element {} is {}", i, value);
    const auto cols = static_cast<size_t>(array.shape.back());
    return fmt::format("row {}, column {} is {}", i / cols, i % cols, value);
  }
  return "";
}

}  // namespace

std::string finite_defect(const ArrayView& array) {
  switch (array.dtype) {
    case DType::kF32:
      return first_defect<float>(array);
    case DType::kF64:
      return first_defect<double>(array);
    case DType::kBf16:
      return first_defect<Bfloat16>(array);
    case DType::kF16:
      return first_defect<Half>(array);
    default:
      return "";
  }
}

}  // namespace mgqe

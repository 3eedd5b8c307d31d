#include "host/packed/dense_arrays.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "host/base/bfloat16.hpp"

namespace mgqe {
namespace {

constexpr float kMostInt8 = 127.0f;

std::string scale_name(const std::string& name) { return name + ".scale"; }

HostArray as_bfloat16(const HostArray& array) {
  std::vector<Bfloat16> values;
  for (const float value : array.as<float>()) values.push_back(to_bfloat16(value));
  return {values, array.shape};
}

/// The values and their scales.
std::pair<HostArray, HostArray> as_int8(const HostArray& matrix) {
  const std::span<const float> values = matrix.as<float>();
  const auto cols = static_cast<size_t>(matrix.shape[1]);
  std::vector<float> scales(cols, 0.0f);
  for (size_t i = 0; i < values.size(); ++i)
    scales[i % cols] = std::max(scales[i % cols], std::abs(values[i]));
  for (float& scale : scales) scale /= kMostInt8;
  std::vector<int8_t> steps(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const float scale = scales[i % cols];
    const float step = scale > 0.0f ? std::nearbyint(values[i] / scale) : 0.0f;
    steps[i] = static_cast<int8_t>(std::clamp(step, -kMostInt8, kMostInt8));
  }
  return {HostArray(steps, matrix.shape), HostArray(scales, {matrix.shape[1]})};
}

}  // namespace

void narrow_dense(ArrayMap& dense, DType type) {
  if (type == DType::kF32) return;
  MGQE_CHECK(type == DType::kBf16 || type == DType::kI8,
             "weights of a type that none are stored in");
  ArrayMap narrow;
  for (const auto& [name, array] : dense) {
    if (array.dtype != DType::kF32 || array.size() == 1) continue;
    if (type == DType::kBf16) {
      narrow[name] = as_bfloat16(array);
    } else if (array.shape.size() == 2) {
      auto [steps, scales] = as_int8(array);
      narrow[name] = std::move(steps);
      narrow[scale_name(name)] = std::move(scales);
    }
  }
  for (auto& [name, array] : narrow) dense[name] = std::move(array);
}

std::vector<float> wide_dense(const ArrayMap& dense, const std::string& name) {
  const auto found = dense.find(name);
  if (found == dense.end()) input_error("the artifact lacks the array ", name);
  const HostArray& array = found->second;
  std::vector<float> wide(static_cast<size_t>(array.size()));
  if (array.dtype == DType::kF32) {
    std::copy_n(array.as<float>().begin(), wide.size(), wide.begin());
  } else if (array.dtype == DType::kBf16) {
    std::transform(array.as<Bfloat16>().begin(), array.as<Bfloat16>().end(), wide.begin(),
                   [](Bfloat16 value) { return to_float(value); });
  } else if (array.dtype == DType::kI8) {
    const auto scale = dense.find(scale_name(name));
    if (array.shape.size() != 2 || scale == dense.end() || scale->second.dtype != DType::kF32 ||
        scale->second.size() != array.shape[1])
      input_error("the artifact's array ", name, " is of int8 and has no scale for each column");
    const std::span<const float> scales = scale->second.as<float>();
    for (size_t i = 0; i < wide.size(); ++i)
      wide[i] = static_cast<float>(array.as<int8_t>()[i]) * scales[i % scales.size()];
  } else {
    input_error("the artifact's array ", name, " is not of floats");
  }
  return wide;
}

}  // namespace mgqe

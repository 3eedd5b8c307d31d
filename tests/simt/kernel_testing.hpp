// Shared by the kernel tests: buffers of the exact size (so AddressSanitizer sees a step past the
// end), schedule seeds, random inputs, and tolerances derived from type and length.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/simt/simt.hpp"
// simt.hpp comes first: kernel bodies need its definitions.
#include "host/core/tensor.hpp"

namespace mgqe {

/// Every kernel test runs under each of these schedules.
inline constexpr uint64_t kScheduleSeeds[] = {1, 2, 3};

/// A typed heap block, filled with 0xFF bytes (NaN, -1) unless values are given.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t rows, int64_t cols = 1)
      : data_(new T[rows * cols]), view_(data_.get(), rows, cols) {
    std::memset(static_cast<void*>(data_.get()), 0xFF, sizeof(T) * rows * cols);
  }
  explicit Buffer(const std::vector<T>& values, int64_t cols = 1)
      : Buffer(static_cast<int64_t>(values.size()) / cols, cols) {
    std::copy(values.begin(), values.end(), data_.get());
  }
  View<T> view() const { return view_; }
  operator View<T>() const { return view_; }
  operator View<const T>() const { return view_; }
  T* data() const { return view_.data; }
  T& operator[](int64_t i) const { return view_[i]; }
  T* row(int64_t r) const { return view_.row(r); }
  int64_t size() const { return view_.size(); }
  std::vector<T> values() const { return {view_.data, view_.data + view_.size()}; }

 private:
  std::unique_ptr<T[]> data_;
  View<T> view_;
};

class RandomInputs {
 public:
  explicit RandomInputs(uint64_t seed) : engine_(seed) {}
  std::vector<float> normals(int64_t n, float stddev = 1.0f) {
    std::normal_distribution<float> distribution(0.0f, stddev);
    std::vector<float> values(n);
    for (float& value : values) value = distribution(engine_);
    return values;
  }
  /// Whole numbers in [low, high]: their short sums and products are exact in float.
  template <class T>
  std::vector<T> integers(int64_t n, int64_t low, int64_t high) {
    std::uniform_int_distribution<int64_t> distribution(low, high);
    std::vector<T> values(n);
    for (T& value : values) value = static_cast<T>(distribution(engine_));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

/// Bound on the error of a float sum of `terms` products whose magnitudes add up to `magnitude`:
/// gamma_n = n u / (1 - n u), u = 2^-24 (Higham, Accuracy and Stability, section 3.1), with the
/// few roundings of each product counted as further terms.
inline double sum_tolerance(int64_t terms, double magnitude) {
  constexpr double kUnitRoundoff = 0x1p-24;
  const double n = static_cast<double>(terms + 4);
  return n * kUnitRoundoff / (1 - n * kUnitRoundoff) * magnitude;
}

template <class T>
void expect_same_bits(const std::vector<T>& actual, const std::vector<T>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    ASSERT_EQ(std::memcmp(&actual[i], &expected[i], sizeof(T)), 0)
        << "element " << i << ": " << +actual[i] << ", expected " << +expected[i];
}

/// Blocks of `per_block` for n items, at least one.
inline unsigned blocks_of(int64_t n, int64_t per_block) {
  return static_cast<unsigned>(std::max<int64_t>(1, (n + per_block - 1) / per_block));
}

}  // namespace mgqe

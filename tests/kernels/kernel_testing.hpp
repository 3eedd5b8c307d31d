// Shared by the kernel tests: buffers of the exact size (so AddressSanitizer sees a step past the
// end), schedule seeds, distinct ids made by a map, tolerances derived from type and length.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "tests/kernels/simt.hpp"
// Kernel bodies and what they include need the definitions of simt.hpp.
#include "host/engine/backend.hpp"
#include "tests/support/testing.hpp"

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
  int64_t rows() const { return view_.rows; }
  int64_t size() const { return view_.size(); }
  std::vector<T> values() const { return {view_.data, view_.data + view_.size()}; }

 private:
  std::unique_ptr<T[]> data_;
  View<T> view_;
};

/// The UniqueIds of a batch, by a map; what lies past the count is poisoned.
class DistinctIds {
 public:
  explicit DistinctIds(const std::vector<int32_t>& lookups)
      : ids_(lookups.size()),
        offsets_(lookups.size() + 1),
        order_(lookups.size()),
        inverse_(lookups.size()),
        count_(1) {
    for (size_t b = 0; b < lookups.size(); ++b) lookups_[lookups[b]].push_back(b);
    int32_t u = 0, p = 0;
    for (const auto& [id, positions] : lookups_) {
      ids_[u] = id;
      offsets_[u] = p;
      for (const int32_t b : positions) {
        order_[p++] = b;
        inverse_[b] = u;
      }
      offsets_[++u] = p;
    }
    if (u == 0) offsets_[0] = 0;
    count_[0] = u;
  }
  UniqueIds view() const {
    return {ids_.view(), offsets_.view(), order_.view(), inverse_.view(), count_.view()};
  }
  /// Look-up positions of every id, both ascending.
  const std::map<int32_t, std::vector<int32_t>>& lookups() const { return lookups_; }

 private:
  std::map<int32_t, std::vector<int32_t>> lookups_;
  Buffer<int32_t> ids_, offsets_, order_, inverse_, count_;
};

/// Bound on the error of a float sum of `terms` terms whose magnitudes add up to `magnitude`:
/// gamma_n = n u / (1 - n u), u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms,
/// section 3.1), the few roundings inside each term counted as four more.
inline double rounding_bound(int64_t terms, double magnitude) {
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

// What tests share: every back end as a test parameter, tensors from vectors, random inputs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/engine/backend.hpp"

namespace mgqe::testing {

/// A file of the tree: of the one that was built, or of that where the programs were carried to.
inline std::string source_path(const std::string& path) {
  const char* carried = std::getenv("MGQE_SOURCE_DIR");
  return std::string(carried != nullptr ? carried : MGQE_SOURCE_DIR) + "/" + path;
}

/// Runs a test on the CPU and on a GPU; without a GPU the latter is skipped, and counted so.
class OnEveryBackend : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    try {
      backend_ = make_backend(GetParam());
    } catch (const InputError& error) {
      GTEST_SKIP() << error.what();
    }
  }
  Backend& backend() { return *backend_; }

  template <class T>
  Tensor<T> tensor(const std::vector<T>& values, int64_t cols = 1) {
    return Tensor<T>(backend(), std::span<const T>(values), cols);
  }
  /// Filled with bytes that show when they are read or left: NaN as float, 0xFF.. as integers.
  template <class T>
  Tensor<T> poisoned(int64_t rows, int64_t cols = 1) {
    Tensor<T> tensor(backend(), rows, cols);
    std::vector<uint8_t> bytes(tensor.bytes(), 0xFF);
    if (!bytes.empty()) backend().upload(tensor.data(), bytes.data(), bytes.size());
    return tensor;
  }

  std::unique_ptr<Backend> backend_;
};

#define MGQE_ON_EVERY_BACKEND(suite)                                        \
  INSTANTIATE_TEST_SUITE_P(Device, suite, ::testing::Values("cpu", "cuda"), \
                           [](const auto& info) { return std::string(info.param); })

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  std::vector<float> normals(int64_t n, float stddev = 1.0f) {
    std::normal_distribution<float> normal(0.0f, stddev);
    std::vector<float> values(static_cast<size_t>(n));
    for (float& value : values) value = normal(engine_);
    return values;
  }
  /// Integers in [low, high] as type T.
  template <class T>
  std::vector<T> integers(int64_t n, int low, int high) {
    std::uniform_int_distribution<int> uniform(low, high);
    std::vector<T> values(static_cast<size_t>(n));
    for (T& value : values) value = static_cast<T>(uniform(engine_));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

/// Largest rounding error of a float sum of n products of magnitude about 1, with room for the
/// order of summation: n ulps of 1.
inline float sum_tolerance(int64_t n) { return static_cast<float>(n) * 1.2e-7f; }

}  // namespace mgqe::testing

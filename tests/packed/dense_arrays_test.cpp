// Weights of layers in fewer bytes, and back.
#include "host/packed/dense_arrays.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

TEST(DenseArrays, MatricesBecomeInt8WithAScaleForEachColumn) {
  // Column 0 is exact in steps of 1/127, column 1 is all zeros, column 2 has ties.
  const std::vector<float> weights = {1.0f, 0.0f, 127.0f, -64.0f / 127.0f, 0.0f, 2.5f,
                                      0.0f, 0.0f, -3.5f};
  ArrayMap dense;
  dense["w"] = HostArray(weights, {3, 3});
  dense["bias"] = HostArray(std::vector<float>{0.1f, 0.2f}, {2});
  dense["mean"] = HostArray(std::vector<float>{0.3f}, {1});
  narrow_dense(dense, DType::kI8);
  ASSERT_EQ(dense.at("w").dtype, DType::kI8);
  EXPECT_EQ(dense.at("w").shape, (std::vector<int64_t>{3, 3}));
  const auto steps = dense.at("w").as<int8_t>();
  EXPECT_EQ(std::vector<int8_t>(steps.begin(), steps.end()),
            (std::vector<int8_t>{127, 0, 127, -64, 0, 2, 0, 0, -4}));
  const auto scales = dense.at("w.scale").as<float>();
  EXPECT_EQ(std::vector<float>(scales.begin(), scales.end()),
            (std::vector<float>{1.0f / 127.0f, 0.0f, 1.0f}));
  EXPECT_EQ(dense.at("bias").dtype, DType::kF32) << "vectors stay";
  EXPECT_EQ(dense.size(), 4u);
  const std::vector<float> wide = wide_dense(dense, "w");
  EXPECT_FLOAT_EQ(wide[0], 1.0f);
  EXPECT_EQ(wide[5], 2.0f);
  EXPECT_EQ(wide[8], -4.0f);
  EXPECT_EQ(wide_dense(dense, "bias"), (std::vector<float>{0.1f, 0.2f}));
}

TEST(DenseArrays, ErrorsAreAtMostHalfAStep) {
  Random random(1);
  const auto weights = random.normals(50 * 20);
  ArrayMap dense;
  dense["w"] = HostArray(weights, {50, 20});
  narrow_dense(dense, DType::kI8);
  const auto scales = dense.at("w.scale").as<float>();
  const std::vector<float> wide = wide_dense(dense, "w");
  for (size_t i = 0; i < weights.size(); ++i)
    EXPECT_LE(std::abs(wide[i] - weights[i]), 0.5001f * scales[i % 20]) << i;
}

TEST(DenseArrays, Bfloat16RoundsAllButSingleValues) {
  ArrayMap dense;
  dense["w"] = HostArray(std::vector<float>{1.0f + 0x1p-9f, 3.0f, -0x1p-20f, 1.0f}, {2, 2});
  dense["bias"] = HostArray(std::vector<float>{1.0f + 0x1p-7f, 1.0f + 3 * 0x1p-9f}, {2});
  dense["mean"] = HostArray(std::vector<float>{1.0f + 0x1p-9f}, {1});
  narrow_dense(dense, DType::kBf16);
  EXPECT_EQ(dense.at("w").dtype, DType::kBf16);
  EXPECT_EQ(wide_dense(dense, "w"), (std::vector<float>{1.0f, 3.0f, -0x1p-20f, 1.0f}));
  EXPECT_EQ(wide_dense(dense, "bias"), (std::vector<float>{1.0f + 0x1p-7f, 1.0f + 0x1p-7f}));
  EXPECT_EQ(wide_dense(dense, "mean"), (std::vector<float>{1.0f + 0x1p-9f}));
}

TEST(DenseArrays, F32StaysAsItIsAndWhatIsNoFloatIsRefused) {
  ArrayMap dense;
  dense["w"] = HostArray(std::vector<float>{1, 2}, {2, 1});
  dense["ids"] = HostArray(std::vector<int32_t>{1, 2}, {2});
  narrow_dense(dense, DType::kF32);
  EXPECT_EQ(dense.at("w").dtype, DType::kF32);
  EXPECT_THROW(wide_dense(dense, "ids"), InputError);
  EXPECT_THROW(wide_dense(dense, "none"), InputError);
  dense["q"] = HostArray(std::vector<int8_t>{1, 2}, {1, 2});
  EXPECT_THROW(wide_dense(dense, "q"), InputError) << "without scales";
  dense["q.scale"] = HostArray(std::vector<float>{1}, {1});
  EXPECT_THROW(wide_dense(dense, "q"), InputError) << "with one for two columns";
}

}  // namespace
}  // namespace mgqe::testing

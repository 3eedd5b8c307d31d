// Half against values and rounding in double: all 65,536 halves, and floats between any two of
// them.
#include "host/base/half.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace mgqe {
namespace {

Half half(int bits) { return {static_cast<uint16_t>(bits)}; }
bool is_nan(int bits) { return (bits & 0x7FFF) > 0x7C00; }

/// (-1)^s 2^(e - 25) (1024 + m), or 2^-24 m where e is 0.
double value_of(int bits) {
  const int exponent = bits >> 10 & 31, significand = bits & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(significand, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1024 + significand, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(Half, EveryHalfIsAFloatAndComesBack) {
  for (int bits = 0; bits < 65536; ++bits) {
    const float x = to_float(half(bits));
    if (is_nan(bits)) {
      EXPECT_TRUE(std::isnan(x)) << bits;
      EXPECT_EQ(to_half(x).bits, 0x7FFF) << bits;
      continue;
    }
    ASSERT_EQ(std::bit_cast<uint32_t>(x),
              std::bit_cast<uint32_t>(static_cast<float>(value_of(bits))))
        << bits;
    ASSERT_EQ(to_half(x).bits, bits);
  }
}

// Between two neighbours: their middle goes to the even one, a float next to it to the nearer.
TEST(Half, RoundsToNearestAndTiesToEven) {
  for (int low = 0; low < 0x7C00; ++low) {
    const int high = low + 1;  // 65504 and then infinity, which stands for 65536
    const double top = high == 0x7C00 ? 65536.0 : value_of(high);
    const auto middle = static_cast<float>((value_of(low) + top) / 2);  // exact
    const int even = low % 2 == 0 ? low : high;
    for (const int sign : {0, 0x8000}) {
      const float s = sign == 0 ? 1.0f : -1.0f;
      ASSERT_EQ(to_half(s * middle).bits, sign | even) << low;
      ASSERT_EQ(to_half(s * std::nextafter(middle, 0.0f)).bits, sign | low) << low;
      ASSERT_EQ(to_half(s * std::nextafter(middle, 1e6f)).bits, sign | high) << low;
    }
  }
}

TEST(Half, IsTheNearestOfAnyFloat) {
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const Half got = to_half(x);
    if (std::isnan(x)) {
      ASSERT_EQ(got.bits, 0x7FFF);
    } else if (std::fabs(x) >= 65520.0f) {
      ASSERT_EQ(got.bits, std::signbit(x) ? 0xFC00 : 0x7C00) << x;
    } else {
      const double error = std::fabs(value_of(got.bits) - x);
      ASSERT_EQ(std::signbit(x), got.bits >> 15) << x;
      for (const int step : {-1, 1}) {
        const int neighbour = (got.bits & 0x7FFF) + step;
        if (neighbour < 0 || neighbour >= 0x7C00) continue;
        ASSERT_LE(error, std::fabs(value_of(neighbour) - std::fabs(double{x}))) << x;
      }
    }
  }
}

}  // namespace
}  // namespace mgqe

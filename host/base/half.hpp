// Half: IEEE 754 binary16, for rows that are served rather than trained.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "host/base/check.hpp"

namespace mgqe {

/// Sign, 5 bits of exponent (bias 15), 10 bits of significand.
struct Half {
  uint16_t bits;
};

namespace detail {

MGQE_HD uint32_t bits_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

MGQE_HD float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

}  // namespace detail

/// Rounds to nearest, ties to even; from 65520 on to infinity; every NaN becomes 0x7FFF, as a GPU's
/// own conversion has it. Selects and no branches, so that loops over it vectorise.
MGQE_HD Half to_half(float x) {
  constexpr uint32_t kInfinity = 0x7F800000;
  constexpr uint32_t kTwoTo16 = 0x47800000;         // 2^16: no half is as large
  constexpr uint32_t kTwoToMinus14 = 0x38800000;    // the least normal half
  constexpr uint32_t kHalf = 0x3F000000;            // 0.5, whose last place is 2^-24, as a
                                                    // subnormal half's: adding it rounds to that
  constexpr uint32_t kRebias = (15u - 127u) << 23;  // exponent of float to that of half
  const uint32_t bits = detail::bits_of_float(x);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t sign = bits >> 16 & 0x8000;

  // Half of the last place kept, less one where that place is even; a carry moves the exponent up.
  const uint32_t normal = (magnitude + kRebias + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  const uint32_t subnormal = detail::bits_of_float(detail::float_of_bits(magnitude) + 0.5f) - kHalf;
  uint32_t half = magnitude < kTwoToMinus14 ? subnormal : normal;
  half = magnitude >= kTwoTo16 ? 0x7C00 : half;
  half |= sign;
  return {static_cast<uint16_t>(magnitude > kInfinity ? 0x7FFF : half)};
}

/// Exact: every half is a float. A NaN stays one.
MGQE_HD float to_float(Half half) {
  constexpr uint32_t kRebias = (127u - 15u) << 23;
  constexpr uint32_t kSubnormalUnit = 0x38800000;  // 2^-14: its last ten places are a subnormal's
  const uint32_t magnitude = (half.bits & 0x7FFFu) << 13;
  const uint32_t sign = (half.bits & 0x8000u) << 16;
  const uint32_t exponent = magnitude & 0x0F800000;

  const uint32_t subnormal = detail::bits_of_float(
      detail::float_of_bits(magnitude + kSubnormalUnit) - detail::float_of_bits(kSubnormalUnit));
  uint32_t bits = exponent == 0 ? subnormal : magnitude + kRebias;
  bits = exponent == 0x0F800000 ? magnitude | 0x7F800000 : bits;
  return detail::float_of_bits(bits | sign);
}

}  // namespace mgqe

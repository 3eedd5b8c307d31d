// Bfloat16: the upper half of a float, for rows that are stored and gradients that travel.
#pragma once

#include "host/base/half.hpp"

namespace mgqe {

/// Sign, 8 bits of exponent (bias 127), 7 bits of significand.
struct Bfloat16 {
  uint16_t bits;
};

MGQE_HD float to_float(float x) { return x; }
/// Exact.
MGQE_HD float to_float(Bfloat16 x) {
  return detail::float_of_bits(static_cast<uint32_t>(x.bits) << 16);
}

namespace detail {

/// The upper half of x + `below` last places, below < 2^16; what is not finite stays what it is.
MGQE_HD Bfloat16 upper_half(float x, uint32_t below) {
  constexpr uint32_t kInfinity = 0x7F800000;
  const uint32_t bits = bits_of_float(x), magnitude = bits & 0x7FFFFFFF;
  const uint32_t quiet = magnitude > kInfinity ? 0x40 : 0;  // a NaN of low bits alone stays one
  const uint32_t rounded = magnitude >= kInfinity ? bits : bits + below;
  return {static_cast<uint16_t>(rounded >> 16 | quiet)};
}

}  // namespace detail

/// To nearest, ties to even.
MGQE_HD Bfloat16 to_bfloat16(float x) {
  return detail::upper_half(x, 0x7FFF + (detail::bits_of_float(x) >> 16 & 1));
}

/// Up or down with the chances that make the mean x; random is uniform.
MGQE_HD Bfloat16 to_bfloat16_stochastic(float x, uint16_t random) {
  return detail::upper_half(x, random);
}

}  // namespace mgqe

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): random bits
// as a pure function of (key, counter), so every device, thread count and order gives the same
// ones. The uniform and normal transforms use only IEEE operations and explicit fma, for the same
// reason.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "host/base/check.hpp"

namespace mgqe {

struct Philox4 {
  uint32_t x[4];
};

MGQE_HD uint32_t multiply_high(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>((static_cast<uint64_t>(a) * b) >> 32);
}

MGQE_HD uint64_t multiply_high(uint64_t a, uint64_t b) {
#if defined(__CUDA_ARCH__)
  return __umul64hi(a, b);
#else
  return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
#endif
}

/// Ten rounds over the 128-bit counter {low, high} with the 64-bit key.
MGQE_HD Philox4 philox(uint64_t key, uint64_t low, uint64_t high) {
  Philox4 c{{static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32),
             static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)}};
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint32_t h0 = multiply_high(0xD2511F53u, c.x[0]), l0 = 0xD2511F53u * c.x[0];
    const uint32_t h1 = multiply_high(0xCD9E8D57u, c.x[2]), l1 = 0xCD9E8D57u * c.x[2];
    c = Philox4{{h1 ^ c.x[1] ^ k0, l1, h0 ^ c.x[3] ^ k1, l0}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/// Everything random in a run is drawn from one seed; each purpose has its own stream so that
/// adding one never shifts another.
enum class RandomStream : uint64_t {
  kUserTable = 1,
  kItemTable,
  kUserCodebook,
  kItemCodebook,
  kDense,
  kShuffle,
  kNegatives,
  kEvaluation,
  kSynthetic,
  kMlpUserTable,
  kMlpItemTable,
  kMlpUserCodebook,
  kMlpItemCodebook,
  kDropout,
  kFeatureTable,     // and the name of the table
  kFeatureCodebook,  // likewise
};

/// A key for one purpose of one seed (splitmix64 finaliser over both).
MGQE_HD uint64_t stream_key(uint64_t seed, RandomStream stream) {
  uint64_t z = seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(stream) * 0xD1B54A32D192ED03ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

MGQE_HD uint64_t random_u64(uint64_t key, uint64_t low, uint64_t high = 0) {
  const Philox4 p = philox(key, low, high);
  return static_cast<uint64_t>(p.x[0]) | (static_cast<uint64_t>(p.x[1]) << 32);
}

/// Uniform integer in [0, n); the bias is n / 2^64.
MGQE_HD uint64_t random_below(uint64_t bits, uint64_t n) { return multiply_high(bits, n); }

/// Uniform in (0, 1): 23 random bits and a half, so neither end is ever returned.
MGQE_HD float to_unit_float(uint32_t bits) {
  return (static_cast<float>(bits >> 9) + 0.5f) * 1.1920928955078125e-7f;
}

namespace detail {

/// ln(u) for u in (0, 1): exponent and mantissa split, then the atanh series on [1/sqrt2, sqrt2].
MGQE_HD float log_unit(float u) {
  uint32_t bits;
  memcpy(&bits, &u, sizeof bits);
  int exponent = static_cast<int>(bits >> 23) - 127;
  bits = (bits & 0x007FFFFFu) | 0x3F800000u;
  float m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.41421356f) {
    m *= 0.5f;
    exponent += 1;
  }
  const float s = (m - 1.0f) / (m + 1.0f);
  const float s2 = s * s;
  float series = fmaf(s2, 1.0f / 9.0f, 1.0f / 7.0f);
  series = fmaf(s2, series, 0.2f);
  series = fmaf(s2, series, 1.0f / 3.0f);
  series = fmaf(s2, series, 1.0f);
  return fmaf(static_cast<float>(exponent), 0.69314718f, 2.0f * s * series);
}

/// cos(2 pi u) for u in (0, 1): folded to a quarter turn, then the Taylor series of sine.
MGQE_HD float cos_turn(float u) {
  const float x = u < 0.5f ? u : 1.0f - u;   // cos is even about half a turn
  const float a = 6.2831853f * (0.25f - x);  // cos(2 pi x) = sin(pi/2 - 2 pi x), |a| <= pi/2
  const float a2 = a * a;
  float series = fmaf(a2, -2.5052108e-8f, 2.7557319e-6f);
  series = fmaf(a2, series, -1.9841270e-4f);
  series = fmaf(a2, series, 8.3333333e-3f);
  series = fmaf(a2, series, -0.16666667f);
  return fmaf(a * a2, series, a);
}

}  // namespace detail

/// Standard normal for element i of a stream (Box-Muller). |x| < 6.
MGQE_HD float random_normal(uint64_t key, uint64_t i) {
  const Philox4 p = philox(key, i, 0);
  const float radius = sqrtf(-2.0f * detail::log_unit(to_unit_float(p.x[0])));
  return radius * detail::cos_turn(to_unit_float(p.x[1]));
}

/// Uniform in (low, high) for element i of a stream.
MGQE_HD float random_uniform(uint64_t key, uint64_t i, float low, float high) {
  return fmaf(high - low, to_unit_float(philox(key, i, 0).x[0]), low);
}

}  // namespace mgqe

// The arithmetic of quantized tables that every device must agree on to the bit: tiers, the
// canonical distance and its tie rule, scalar cells, hash buckets, and the layout of packed bits.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/base/check.hpp"

namespace mgqe {

inline constexpr int64_t kMaxDim = 1024;  // widest row: what ops keep of one on the stack
inline constexpr int kMaxTiers = 8;
inline constexpr int kMaxCentroids = 256;  // a code is one byte while training

/// Ids are popularity-ordered, so tier i is the id range [end[i-1], end[i]) and may use the first
/// centroids[i] centroids of the shared codebook (the paper's V_i and K_i). Passed into kernels by
/// value.
struct Tiers {
  int count = 1;
  int64_t end[kMaxTiers] = {};    // exclusive, ascending, end[count-1] = number of rows
  int centroids[kMaxTiers] = {};  // non-increasing, 1..256

  MGQE_HD int tier_of(int64_t id) const {
    int tier = 0;
    while (tier + 1 < count && id >= end[tier]) ++tier;
    return tier;
  }
  MGQE_HD int limit(int64_t id) const { return centroids[tier_of(id)]; }
  MGQE_HD int64_t begin(int tier) const { return tier == 0 ? 0 : end[tier - 1]; }
  MGQE_HD int64_t rows(int tier) const { return end[tier] - begin(tier); }
};

/// Bits of one code over k centroids: ceil(log2 k); one centroid needs none.
MGQE_HD int code_bits(int k) {
  int bits = 0;
  while ((1 << bits) < k) ++bits;
  return bits;
}

/// Bytes of one packed row: D codes of `bits` bits, each row starting on a byte.
MGQE_HD int64_t packed_row_bytes(int subspaces, int bits) {
  return (static_cast<int64_t>(subspaces) * bits + 7) / 8;
}

/// 0.5 * ||c||^2 of one centroid of w components, in the fixed order that the argmin relies on.
MGQE_HD float half_squared_norm(const float* c, int w) {
  float sum = 0.0f;
  for (int q = 0; q < w; ++q) sum = fmaf(c[q], c[q], sum);
  return 0.5f * sum;
}

/// Canonical score 0.5||c||^2 - e.c of one centroid: its order over centroids is that of ||e -
/// c||^2, and as a chain of IEEE fma it has the same bits everywhere. The lowest score wins, the
/// lowest index on ties.
MGQE_HD float centroid_score(const float* e, const float* c, float half_norm, int w) {
  float score = half_norm;
  for (int q = 0; q < w; ++q) score = fmaf(-e[q], c[q], score);
  return score;
}

/// Code j of a packed row: bits [j*bits, (j+1)*bits) of its little-endian bit string.
MGQE_HD int unpack_code(const uint8_t* row, int j, int bits) {
  if (bits == 0) return 0;
  const int64_t first = static_cast<int64_t>(j) * bits;
  int value = row[first >> 3] >> (first & 7);
  if ((first & 7) + bits > 8) value |= row[(first >> 3) + 1] << (8 - (first & 7));
  return value & ((1 << bits) - 1);
}

/// Byte `index` of the packed form of a row's D codes (the inverse of unpack_code).
MGQE_HD uint8_t packed_byte(const uint8_t* codes, int subspaces, int bits, int64_t index) {
  const int64_t first_bit = index * 8;
  int value = 0;
  for (int64_t j = first_bit / bits; j < subspaces && j * bits < first_bit + 8; ++j) {
    const int64_t shift = j * bits - first_bit;
    value |= shift >= 0 ? codes[j] << shift : codes[j] >> -shift;
  }
  return static_cast<uint8_t>(value & 0xFF);
}

/// Scalar quantization: which of 2^bits even buckets of [low, high] holds x. In double, where no
/// difference of floats overflows. What lies outside, and what cannot be compared, goes to the end
/// buckets; a constant column (high = low) has 0.
MGQE_HD int scalar_cell(float x, float low, float high, int bits) {
  const double cells = static_cast<double>(1 << bits);
  const double position =
      (static_cast<double>(x) - low) / (static_cast<double>(high) - low) * cells;
  if (!(position > 0.0)) return 0;  // 0 / 0 too
  return position < cells ? static_cast<int>(position) : (1 << bits) - 1;
}

/// The middle of a bucket; low itself where the column is constant.
MGQE_HD float scalar_value(int cell, float low, float high, int bits) {
  const double width = (static_cast<double>(high) - low) / static_cast<double>(1 << bits);
  return static_cast<float>(low + (cell + 0.5) * width);
}

/// Cell j, of 1 to 16 bits, of a packed row: bits [j*bits, (j+1)*bits) of its little-endian string.
MGQE_HD int unpack_cell(const uint8_t* row, int64_t j, int bits) {
  const int64_t first = j * bits;
  const int shift = static_cast<int>(first & 7);
  const uint8_t* byte = row + (first >> 3);
  int value = byte[0];
  if (shift + bits > 8) value |= byte[1] << 8;
  if (shift + bits > 16) value |= byte[2] << 16;
  return value >> shift & ((1 << bits) - 1);
}

/// Row of a hashed table that serves an id. splitmix64's finaliser (Steele et al. 2014) is a
/// bijection of the 64-bit integers in which every bit of the id moves every bit of the result, so
/// ids of neighbouring popularity collide no more often than any two. Packed tables depend on it.
MGQE_HD int64_t hash_bucket(int64_t id, int64_t buckets) {
  uint64_t z = static_cast<uint64_t>(id) + 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  z ^= z >> 31;
  return static_cast<int64_t>(z % static_cast<uint64_t>(buckets));
}

/// Ranking score of an item: one fma chain in dimension order, whatever the item's position, so
/// that items with equal codes tie exactly.
MGQE_HD float ranking_score(const float* user, const float* item, int64_t d) {
  float score = 0.0f;
  for (int64_t i = 0; i < d; ++i) score = fmaf(user[i], item[i], score);
  return score;
}

}  // namespace mgqe

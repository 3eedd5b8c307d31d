// Tiles with AVX2: half a plane a register, tables of 64 entries as four of 16.
#include "host/serve/scan/tile_scan.hpp"

#if defined(__x86_64__)
#include <cstring>

#include <immintrin.h>

#include "host/serve/scan/deficit.hpp"

// For all that follows, lambdas too. No template of the standard library may be made below: the linker
// could choose that copy for an older processor.
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2")

namespace mgqe {
namespace {

/// The codes of 8 subspaces of a row, a byte each.
inline uint64_t spread(const uint8_t* from, uint64_t bits_of_bytes) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return _pdep_u64(word, bits_of_bytes);
}

/// x[r]: 8 codes of row r. Its transpose: row r's code j at byte r of the j-th 8 bytes.
inline void transpose_8x8(const uint64_t (&x)[8], __m128i (&out)[4]) {
  const auto pair = [&](int a, int b) {
    return _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<long long>(x[a])),
                             _mm_cvtsi64_si128(static_cast<long long>(x[b])));
  };
  const __m128i r01 = pair(0, 1), r23 = pair(2, 3), r45 = pair(4, 5), r67 = pair(6, 7);
  const __m128i low03 = _mm_unpacklo_epi16(r01, r23), high03 = _mm_unpackhi_epi16(r01, r23);
  const __m128i low47 = _mm_unpacklo_epi16(r45, r67), high47 = _mm_unpackhi_epi16(r45, r67);
  out[0] = _mm_unpacklo_epi32(low03, low47);    // planes 0, 1
  out[1] = _mm_unpackhi_epi32(low03, low47);    // 2, 3
  out[2] = _mm_unpacklo_epi32(high03, high47);  // 4, 5
  out[3] = _mm_unpackhi_epi32(high03, high47);  // 6, 7
}

inline void unpack_tile(const TileSource& source, const uint8_t* codes, uint8_t* planes) {
  const uint64_t mask = 0x0101010101010101u * ((1u << source.bits) - 1);
  for (int j = 0; j < source.subspaces; j += 8) {
    const int count = source.subspaces - j < 8 ? source.subspaces - j : 8;
    for (int octet = 0; octet < 8; ++octet) {
      uint64_t rows[8];
      for (int r = 0; r < 8; ++r)
        rows[r] = spread(codes + (8 * octet + r) * source.row_bytes + j / 8 * source.bits, mask);
      __m128i pairs[4];
      transpose_8x8(rows, pairs);
      for (int i = 0; i < count; ++i) {
        uint8_t* to = planes + (j + i) * kTileRows + 8 * octet;
        if (i % 2 == 0)
          _mm_storel_epi64(reinterpret_cast<__m128i*>(to), pairs[i / 2]);
        else
          _mm_storel_epi64(reinterpret_cast<__m128i*>(to),
                           _mm_unpackhi_epi64(pairs[i / 2], pairs[i / 2]));
      }
    }
  }
}

void unpack(const TileSource& source, int64_t first, int64_t tiles, uint8_t* planes) {
  const int64_t tile_bytes = kTileRows * source.row_bytes;
  for (int64_t tile = first; tile < first + tiles;
       ++tile, planes += plane_bytes(source.subspaces)) {
    const int64_t there = source.rows * source.row_bytes - tile * tile_bytes;
    if (there >= tile_bytes + 8)
      unpack_tile(source, source.codes + tile * tile_bytes, planes);
    else  // what follows the last rows is not ours to read
      scalar_tile_scan().unpack(source, tile, 1, planes);
  }
}

/// Deficits of 32 codes from a table of 64 entries.
inline __m256i look_up_64(__m256i codes, const uint8_t* table) {
  const auto part = [table](int i) {
    return _mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i*>(table + 16 * i)));
  };
  const __m256i place = _mm256_and_si256(codes, _mm256_set1_epi8(15));
  const __m256i bit4 = _mm256_slli_epi16(codes, 3), bit5 = _mm256_slli_epi16(codes, 2);
  const __m256i low = _mm256_blendv_epi8(_mm256_shuffle_epi8(part(0), place),
                                         _mm256_shuffle_epi8(part(1), place), bit4);
  const __m256i high = _mm256_blendv_epi8(_mm256_shuffle_epi8(part(2), place),
                                          _mm256_shuffle_epi8(part(3), place), bit4);
  return _mm256_blendv_epi8(low, high, bit5);
}

inline __m256i load(const uint8_t* from) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

/// Bit r: lane r is below 255.
inline uint32_t below_255(__m256i sum) {
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(sum, _mm256_set1_epi8(-1))));
}

inline int64_t write_lanes(uint32_t mask, int64_t first, int32_t* lanes) {
  int64_t count = 0;
  for (; mask != 0; mask &= mask - 1)
    lanes[count++] = static_cast<int32_t>(first + __builtin_ctz(mask));
  return count;
}

int64_t scan_64(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                int32_t* lanes) {
  const int half = subspaces / 2;
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += plane_bytes(subspaces))
    for (int side = 0; side < 64; side += 32) {
      __m256i sum = _mm256_setzero_si256();
      int j = 0;
      for (; j < half; ++j)
        sum =
            _mm256_adds_epu8(sum, look_up_64(load(planes + j * kTileRows + side), tables + 64 * j));
      if (half > 0 && below_255(sum) == 0) continue;
      for (; j < subspaces; ++j)
        sum =
            _mm256_adds_epu8(sum, look_up_64(load(planes + j * kTileRows + side), tables + 64 * j));
      count += write_lanes(below_255(sum), tile * kTileRows + side, lanes + count);
    }
  return count;
}

/// Tables of 128 and 256 entries are too many shuffles: a load each, eight rows in a word.
int64_t scan_wide(const uint8_t* planes, int subspaces, int entries, const uint8_t* tables,
                  int64_t tiles, int32_t* lanes) {
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += plane_bytes(subspaces))
    for (int r = 0; r < kTileRows; r += 8) {
      uint32_t sums[8] = {};
      for (int j = 0; j < subspaces; ++j) {
        const uint8_t* table = tables + j * entries;
        uint64_t codes;
        std::memcpy(&codes, planes + j * kTileRows + r, sizeof codes);
        for (int i = 0; i < 8; ++i) sums[i] += table[codes >> 8 * i & 0xFF];
      }
      for (int i = 0; i < 8; ++i)
        if (sums[i] < 255) lanes[count++] = static_cast<int32_t>(tile * kTileRows + r + i);
    }
  return count;
}

int64_t scan(const uint8_t* planes, int subspaces, int bits, const uint8_t* tables, int64_t tiles,
             int32_t* lanes) {
  const int entries = table_entries(bits);
  if (entries == 64) return scan_64(planes, subspaces, tables, tiles, lanes);
  return scan_wide(planes, subspaces, entries, tables, tiles, lanes);
}

int64_t scan_dense(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                   int32_t* lanes) {
  const __m256i low = _mm256_set1_epi8(0x03), middle = _mm256_set1_epi8(0x0C),
                high = _mm256_set1_epi8(0x30);
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += dense_plane_bytes(subspaces))
    for (int side = 0; side < 64; side += 32) {
      __m256i sum = _mm256_setzero_si256();
      for (int j = 0; j < subspaces; j += 4) {
        const uint8_t* three = planes + j / 4 * 3 * kTileRows + side;
        const uint8_t* table = tables + 64 * j;
        const __m256i a = load(three), b = load(three + 64), c = load(three + 128);
        const __m256i fourth =
            _mm256_or_si256(_mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 6), low),
                                            _mm256_and_si256(_mm256_srli_epi16(b, 4), middle)),
                            _mm256_and_si256(_mm256_srli_epi16(c, 2), high));
        sum = _mm256_adds_epu8(sum, look_up_64(a, table));
        sum = _mm256_adds_epu8(sum, look_up_64(b, table + 64));
        sum = _mm256_adds_epu8(sum, look_up_64(c, table + 128));
        sum = _mm256_adds_epu8(sum, look_up_64(fourth, table + 192));
        if (below_255(sum) == 0) break;
      }
      count += write_lanes(below_255(sum), tile * kTileRows + side, lanes + count);
    }
  return count;
}

}  // namespace

const TileScan& avx2_tile_scan() {
  static const TileScan level = {unpack, scan, scan_dense};
  return level;
}

}  // namespace mgqe
#pragma GCC pop_options
#endif

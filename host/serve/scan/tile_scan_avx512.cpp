// Tiles with AVX-512 VBMI: a register holds 64 codes, or eight rows of eight.
#include "host/serve/scan/tile_scan.hpp"

#if defined(__x86_64__)
#include <cstring>

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in GCC 12's own intrinsics
#include <immintrin.h>

#include "host/serve/scan/deficit.hpp"

// For all that follows, lambdas too. No template of the standard library may be made below: the linker
// could choose that copy for an older processor.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vbmi,avx512dq,avx512vl,bmi")

namespace mgqe {
namespace {

// ---- packed rows to planes ----------------------------------------------------------------------

/// Eight codes of b bits are b bytes: eight rows' bytes at their stride, a row in 8 bytes each.
struct RowPicker {
  __m512i index;    // of bytes, where eight rows are within 64 bytes; else of rows for a gather
  bool neighbours;  // which of both
};

inline RowPicker row_picker(int64_t row_bytes) {
  RowPicker picker;
  picker.neighbours = row_bytes <= 8;
  if (picker.neighbours) {
    alignas(64) uint8_t bytes[64];
    for (int r = 0; r < 8; ++r)
      for (int b = 0; b < 8; ++b) bytes[8 * r + b] = static_cast<uint8_t>((r * row_bytes + b) & 63);
    picker.index = _mm512_load_si512(bytes);
  } else {
    alignas(64) int64_t rows[8];
    for (int r = 0; r < 8; ++r) rows[r] = r * row_bytes;
    picker.index = _mm512_load_si512(rows);
  }
  return picker;
}

inline __m512i pick_rows(const RowPicker& picker, const uint8_t* from) {
  return picker.neighbours ? _mm512_permutexvar_epi8(picker.index, _mm512_loadu_si512(from))
                           : _mm512_i64gather_epi64(picker.index, from, 1);
}

/// x[o] has in 8 bytes r the codes j = 0 .. 7 of row 8 o + r: planes (8, 64) of which `count` are
/// stored.
inline void store_planes(__m512i (&x)[8], int count, uint8_t* planes) {
  alignas(64) static constexpr uint8_t kTranspose[64] = {
      0,  8,  16, 24, 32, 40, 48, 56, 1,  9,  17, 25, 33, 41, 49, 57, 2,  10, 18, 26, 34, 42,
      50, 58, 3,  11, 19, 27, 35, 43, 51, 59, 4,  12, 20, 28, 36, 44, 52, 60, 5,  13, 21, 29,
      37, 45, 53, 61, 6,  14, 22, 30, 38, 46, 54, 62, 7,  15, 23, 31, 39, 47, 55, 63};
  const __m512i transpose = _mm512_load_si512(kTranspose);
  for (__m512i& octet : x) octet = _mm512_permutexvar_epi8(transpose, octet);
  // Now 8 bytes j of x[o] are rows 8 o .. 8 o + 7 of plane j: transpose the 8 x 8 of them.
  __m512i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm512_unpacklo_epi64(x[2 * i], x[2 * i + 1]);      // planes 0 2 4 6
    a[2 * i + 1] = _mm512_unpackhi_epi64(x[2 * i], x[2 * i + 1]);  // planes 1 3 5 7
  }
  for (int i = 0; i < 2; ++i)
    for (int odd = 0; odd < 2; ++odd) {
      const __m512i low = a[4 * i + odd], high = a[4 * i + 2 + odd];
      b[4 * i + odd] = _mm512_shuffle_i64x2(low, high, 0x88);      // planes 0 4 | 0 4
      b[4 * i + 2 + odd] = _mm512_shuffle_i64x2(low, high, 0xDD);  // planes 2 6 | 2 6
    }
  for (int i = 0; i < 4; ++i) {
    const __m512i first = _mm512_shuffle_i64x2(b[i], b[4 + i], 0x88);
    const __m512i second = _mm512_shuffle_i64x2(b[i], b[4 + i], 0xDD);
    if (i < count) _mm512_store_si512(planes + i * kTileRows, first);
    if (4 + i < count) _mm512_store_si512(planes + (4 + i) * kTileRows, second);
  }
}

/// Planes of a tile whose rows begin at `codes`; 64 bytes may be read beyond any of them.
inline void unpack_tile(const TileSource& source, const RowPicker& picker, const uint8_t* codes,
                        uint8_t* planes) {
  alignas(64) uint8_t shifts[64];
  for (int i = 0; i < 64; ++i) shifts[i] = static_cast<uint8_t>((i & 7) * source.bits);
  const __m512i shift = _mm512_load_si512(shifts);
  const __m512i mask =
      _mm512_set1_epi8(static_cast<char>(source.bits > 6 ? (1 << source.bits) - 1 : 0xFF));
  for (int j = 0; j < source.subspaces; j += 8) {
    __m512i octets[8];
    for (int o = 0; o < 8; ++o) {
      const __m512i rows =
          pick_rows(picker, codes + j / 8 * source.bits + 8 * o * source.row_bytes);
      octets[o] = _mm512_and_si512(_mm512_multishift_epi64_epi8(shift, rows), mask);
    }
    store_planes(octets, source.subspaces - j, planes + j * kTileRows);
  }
}

void unpack(const TileSource& source, int64_t first, int64_t tiles, uint8_t* planes) {
  const RowPicker picker = row_picker(source.row_bytes);
  const int64_t tile_bytes = kTileRows * source.row_bytes;
  for (int64_t tile = first; tile < first + tiles;
       ++tile, planes += plane_bytes(source.subspaces)) {
    const uint8_t* codes = source.codes + tile * tile_bytes;
    const int64_t there = source.rows * source.row_bytes - tile * tile_bytes;
    if (there >= tile_bytes + 64) {
      unpack_tile(source, picker, codes, planes);
      continue;
    }
    // What follows the last rows is not ours to read.
    alignas(64) uint8_t small[4096];
    if (tile_bytes + 64 <= static_cast<int64_t>(sizeof small)) {
      std::memset(small, 0, sizeof small);
      std::memcpy(small, codes, static_cast<size_t>(there < tile_bytes ? there : tile_bytes));
      unpack_tile(source, picker, small, planes);
    } else {
      scalar_tile_scan().unpack(source, tile, 1, planes);
    }
  }
}

// ---- planes to candidates -----------------------------------------------------------------------

/// Deficits of 64 codes from a table of 64, 128 or 256 entries.
template <int kEntries>
inline __m512i look_up(__m512i codes, const uint8_t* table) {
  const auto part = [table](int i) { return _mm512_load_si512(table + 64 * i); };
  if constexpr (kEntries == 64) return _mm512_permutexvar_epi8(codes, part(0));
  const __m512i low = _mm512_permutex2var_epi8(part(0), codes, part(1));
  if constexpr (kEntries == 128) return low;
  const __m512i high = _mm512_permutex2var_epi8(part(2), codes, part(3));
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
}

inline int64_t write_lanes(__mmask64 mask, int64_t tile, int32_t* lanes) {
  int64_t count = 0;
  for (uint64_t left = mask; left != 0; left &= left - 1)
    lanes[count++] = static_cast<int32_t>(tile * kTileRows + __builtin_ctzll(left));
  return count;
}

/// kSubspaces 0: any number. Half of the subspaces settle most tiles.
template <int kSubspaces, int kEntries>
int64_t scan_of(const uint8_t* planes, int any_subspaces, const uint8_t* tables, int64_t tiles,
                int32_t* lanes) {
  const int subspaces = kSubspaces > 0 ? kSubspaces : any_subspaces;
  const int half = subspaces / 2;
  const __m512i full = _mm512_set1_epi8(-1);
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += plane_bytes(subspaces)) {
    __m512i sum = _mm512_setzero_si512();
    const auto add = [&](int j) {
      const __m512i codes = _mm512_load_si512(planes + j * kTileRows);
      sum = _mm512_adds_epu8(sum, look_up<kEntries>(codes, tables + j * kEntries));
    };
    for (int j = 0; j < half; ++j) add(j);
    if (_mm512_cmplt_epu8_mask(sum, full) == 0) continue;
    for (int j = half; j < subspaces; ++j) add(j);
    count += write_lanes(_mm512_cmplt_epu8_mask(sum, full), tile, lanes + count);
  }
  return count;
}

template <int kEntries>
int64_t scan_entries(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                     int32_t* lanes) {
  switch (subspaces) {
    case 8:
      return scan_of<8, kEntries>(planes, subspaces, tables, tiles, lanes);
    case 16:
      return scan_of<16, kEntries>(planes, subspaces, tables, tiles, lanes);
    default:
      return scan_of<0, kEntries>(planes, subspaces, tables, tiles, lanes);
  }
}

int64_t scan(const uint8_t* planes, int subspaces, int bits, const uint8_t* tables, int64_t tiles,
             int32_t* lanes) {
  switch (table_entries(bits)) {
    case 64:
      return scan_entries<64>(planes, subspaces, tables, tiles, lanes);
    case 128:
      return scan_entries<128>(planes, subspaces, tables, tiles, lanes);
    default:
      return scan_entries<256>(planes, subspaces, tables, tiles, lanes);
  }
}

/// Four deficits of 64 rows from three planes.
inline __m512i look_up_four(const uint8_t* planes, const uint8_t* tables) {
  const __m512i a = _mm512_load_si512(planes), b = _mm512_load_si512(planes + 64),
                c = _mm512_load_si512(planes + 128);
  // Bits 6 and 7 of a, b and c to bits 0, 2 and 4: shifts in 16 bits, of which each byte's own bits
  // are selected.
  const __m512i low = _mm512_ternarylogic_epi64(_mm512_set1_epi8(0x03), _mm512_srli_epi16(a, 6),
                                                _mm512_srli_epi16(b, 4), 0xCA);
  const __m512i fourth =
      _mm512_ternarylogic_epi64(_mm512_set1_epi8(0x0F), low, _mm512_srli_epi16(c, 2), 0xCA);
  return _mm512_adds_epu8(
      _mm512_adds_epu8(look_up<64>(a, tables), look_up<64>(b, tables + 64)),
      _mm512_adds_epu8(look_up<64>(c, tables + 128), look_up<64>(fourth, tables + 192)));
}

template <int kSubspaces>
int64_t scan_dense_of(const uint8_t* planes, int any_subspaces, const uint8_t* tables,
                      int64_t tiles, int32_t* lanes) {
  const int fours = (kSubspaces > 0 ? kSubspaces : any_subspaces) / 4;
  const int half = (fours + 1) / 2;
  const __m512i full = _mm512_set1_epi8(-1);
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += 3 * kTileRows * fours) {
    __m512i sum = look_up_four(planes, tables);
    for (int i = 1; i < half; ++i)
      sum = _mm512_adds_epu8(sum, look_up_four(planes + i * 3 * kTileRows, tables + i * 256));
    if (_mm512_cmplt_epu8_mask(sum, full) == 0) continue;
    for (int i = half; i < fours; ++i)
      sum = _mm512_adds_epu8(sum, look_up_four(planes + i * 3 * kTileRows, tables + i * 256));
    count += write_lanes(_mm512_cmplt_epu8_mask(sum, full), tile, lanes + count);
  }
  return count;
}

int64_t scan_dense(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                   int32_t* lanes) {
  if (subspaces == 8) return scan_dense_of<8>(planes, subspaces, tables, tiles, lanes);
  return scan_dense_of<0>(planes, subspaces, tables, tiles, lanes);
}

}  // namespace

const TileScan& avx512_tile_scan() {
  static const TileScan level = {unpack, scan, scan_dense};
  return level;
}

}  // namespace mgqe
#pragma GCC pop_options
#endif

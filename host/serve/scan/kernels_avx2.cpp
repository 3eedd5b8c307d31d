#if defined(__x86_64__)
#include <immintrin.h>

#include "host/serve/scan/kernels.hpp"

// Functions of the standard library that would be compiled here are not called: another file might
// be given their copy.
#define MGQE_AVX2 gnu::target("avx2")
#define MGQE_AVX2_INLINE MGQE_AVX2, gnu::always_inline

namespace mgqe {
namespace {

[[MGQE_AVX2_INLINE]] inline __m256i load(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}
[[MGQE_AVX2_INLINE]] inline void store(uint8_t* bytes, __m256i x) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), x);
}
[[MGQE_AVX2_INLINE]] inline __m256i select(__m256i mask, __m256i a, __m256i b) {
  return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
}

// ---- planes: each register of the layout is two of 32 bytes -------------------------------------

template <int kBytes>
[[MGQE_AVX2_INLINE]] inline void part(const __m256i* registers, uint8_t* planes, int64_t stride) {
  if constexpr (kBytes == 1) {
    store(planes, registers[0]);
    store(planes + 32, registers[1]);
  } else {
    // The low halves of registers 2i and 2i + 1 make the low half of a register, and so do the
    // high.
    __m256i low[kBytes], high[kBytes];
    for (int i = 0; i < kBytes; ++i) {
      const __m256i a = registers[i / 2 * 4 + i % 2], b = registers[i / 2 * 4 + i % 2 + 2];
      if constexpr (kBytes == 8) {
        const __m256i lower = _mm256_set1_epi64x(0xFFFFFFFF);
        low[i] = select(lower, a, _mm256_slli_epi64(b, 32));
        high[i] = select(lower, _mm256_srli_epi64(a, 32), b);
      } else if constexpr (kBytes == 4) {
        const __m256i lower = _mm256_set1_epi32(0xFFFF);
        low[i] = select(lower, a, _mm256_slli_epi32(b, 16));
        high[i] = select(lower, _mm256_srli_epi32(a, 16), b);
      } else {
        const __m256i lower = _mm256_set1_epi16(0xFF);
        low[i] = select(lower, a, _mm256_slli_epi16(b, 8));
        high[i] = select(lower, _mm256_srli_epi16(a, 8), b);
      }
    }
    part<kBytes / 2>(low, planes, stride);
    part<kBytes / 2>(high, planes + kBytes / 2 * stride, stride);
  }
}

template <int kBytes>
[[MGQE_AVX2]] void unpack_elements(const TileLayout& layout, const uint8_t* rows, int tiles,
                                   int first, int last, uint8_t* planes, int64_t stride) {
  const int64_t register_bytes = kTileRows / kBytes * layout.row_bytes;
  for (int t = 0; t < tiles; ++t, rows += kBytes * register_bytes)
    for (int e = first; e < last; ++e) {
      const int64_t offset = layout.offset(e);
      __m256i registers[2 * kBytes];
      for (int r = 0; r < kBytes; ++r) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int i = 0; i < layout.runs; ++i) {
          const uint8_t* from = rows + offset + r * register_bytes +
                                layout.run_start[i] * layout.row_bytes - i * kBytes;
          low = _mm256_or_si256(low, _mm256_and_si256(load(from), load(layout.mask[i])));
          high =
              _mm256_or_si256(high, _mm256_and_si256(load(from + 32), load(layout.mask[i] + 32)));
        }
        registers[2 * r] = low;
        registers[2 * r + 1] = high;
      }
      part<kBytes>(registers, planes + offset * stride + t * kTileRows, stride);
    }
}

void unpack(const TileLayout& layout, const uint8_t* rows, int tiles, int first, int last,
            uint8_t* planes, int64_t stride) {
  switch (layout.element_bytes) {
    case 1:
      return unpack_elements<1>(layout, rows, tiles, first, last, planes, stride);
    case 2:
      return unpack_elements<2>(layout, rows, tiles, first, last, planes, stride);
    case 4:
      return unpack_elements<4>(layout, rows, tiles, first, last, planes, stride);
    default:
      return unpack_elements<8>(layout, rows, tiles, first, last, planes, stride);
  }
}

[[MGQE_AVX2]] void extract(const uint8_t* low, const uint8_t* high, int shift, int tiles,
                           uint8_t* codes) {
  const __m128i down = _mm_cvtsi32_si128(shift), up = _mm_cvtsi32_si128(8 - shift);
  const __m256i from_low = _mm256_set1_epi8(static_cast<char>((1 << (8 - shift)) - 1));
  for (int i = 0; i < tiles * kTileRows; i += 32)
    store(codes + i, select(from_low, _mm256_srl_epi16(load(low + i), down),
                            _mm256_sll_epi16(load(high + i), up)));
}

// ---- sums ---------------------------------------------------------------------------------------

/// Of a table of kEntries by codes whose low four bits are `nibbles`, and of whose others the
/// lowest that matters stands in bit 7 of upper[0], the next in that of upper[1], and so on.
template <int kEntries>
[[MGQE_AVX2_INLINE]] inline __m256i look_up_part(__m256i nibbles, const __m256i* upper,
                                                 const uint8_t* table) {
  if constexpr (kEntries == 16) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), nibbles);
  } else {
    constexpr int kHalf = kEntries / 2;
    constexpr int kBit = kEntries == 32 ? 0 : kEntries == 64 ? 1 : kEntries == 128 ? 2 : 3;
    return _mm256_blendv_epi8(look_up_part<kHalf>(nibbles, upper, table),
                              look_up_part<kHalf>(nibbles, upper, table + kHalf), upper[kBit]);
  }
}

template <int kEntries>
[[MGQE_AVX2_INLINE]] inline __m256i look_up(__m256i codes, const uint8_t* table) {
  const __m256i nibbles = _mm256_and_si256(codes, _mm256_set1_epi8(15));
  const __m256i upper[4] = {_mm256_slli_epi16(codes, 3), _mm256_slli_epi16(codes, 2),
                            _mm256_slli_epi16(codes, 1), codes};
  return look_up_part<kEntries>(nibbles, upper, table);
}

template <int kEntries>
[[MGQE_AVX2]] void rename_codes(const uint8_t* codes, const uint8_t* names, int tiles,
                                uint8_t* out) {
  for (int i = 0; i < tiles * kTileRows; i += 32)
    store(out + i, look_up<kEntries>(load(codes + i), names));
}

void rename(const uint8_t* codes, const uint8_t* names, int entries, int tiles, uint8_t* out) {
  if (entries == 256) return rename_codes<256>(codes, names, tiles, out);
  rename_codes<128>(codes, names, tiles, out);
}

/// Adds to one tile's sums, and queues it.
template <int kEntries>
[[MGQE_AVX2_INLINE]] inline int add_tile(const CodeTables& tables, int tile, __m256i low,
                                         __m256i high, int count, TileHits& hits) {
  for (int j = 0; j < tables.subspaces; ++j) {
    const uint8_t* codes = tables.codes[j] + tile * kTileRows;
    const uint8_t* table = tables.tables + j * kEntries;
    low = _mm256_adds_epu8(low, look_up<kEntries>(load(codes), table));
    high = _mm256_adds_epu8(high, look_up<kEntries>(load(codes + 32), table));
  }
  const __m256i full = _mm256_set1_epi8(-1);
  const uint32_t low_full =
      static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, full)));
  const uint32_t high_full =
      static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, full)));
  const uint64_t left = ~(static_cast<uint64_t>(high_full) << 32 | low_full);
  store(hits.sums + count * kTileRows, low);
  store(hits.sums + count * kTileRows + 32, high);
  hits.tile[count] = tile;
  hits.lanes[count] = left;
  return count + (left != 0);
}

template <int kEntries>
[[MGQE_AVX2]] int sum_tiles(const CodeTables& tables, int first, int last, int count,
                            TileHits& hits) {
  const __m256i zero = _mm256_setzero_si256();
  for (int t = first; t < last; ++t) count = add_tile<kEntries>(tables, t, zero, zero, count, hits);
  return count;
}

template <int kEntries>
[[MGQE_AVX2]] int add_tiles(const CodeTables& tables, int count, TileHits& hits) {
  int left = 0;
  for (int i = 0; i < count; ++i) {
    const uint8_t* sums = hits.sums + i * kTileRows;
    left = add_tile<kEntries>(tables, hits.tile[i], load(sums), load(sums + 32), left, hits);
  }
  return left;
}

int sum(const CodeTables& tables, int first, int last, int count, TileHits& hits) {
  if (tables.entries == 256) return sum_tiles<256>(tables, first, last, count, hits);
  if (tables.entries == 128) return sum_tiles<128>(tables, first, last, count, hits);
  return sum_tiles<64>(tables, first, last, count, hits);
}

int add(const CodeTables& tables, int count, TileHits& hits) {
  if (tables.entries == 256) return add_tiles<256>(tables, count, hits);
  if (tables.entries == 128) return add_tiles<128>(tables, count, hits);
  return add_tiles<64>(tables, count, hits);
}

}  // namespace

const ScanKernels& avx2_scan_kernels() {
  static const ScanKernels kernels{unpack, extract, rename, sum, add, true};
  return kernels;
}

}  // namespace mgqe
#endif

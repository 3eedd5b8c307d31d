#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of GCC 12's own _mm512_undefined_*
#endif
#include <immintrin.h>

#include "host/serve/scan/kernels.hpp"

// Functions of the standard library that would be compiled here are not called: another file might
// be given their copy. What calls is marked for the level, and inlines what is.
#define MGQE_VBMI gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi")
#define MGQE_VBMI_INLINE MGQE_VBMI, gnu::always_inline

namespace mgqe {
namespace {

[[MGQE_VBMI_INLINE]] inline __m512i load(const uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

/// Where `mask` has a bit a's, else b's.
[[MGQE_VBMI_INLINE]] inline __m512i select(__m512i mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi64(mask, a, b, 0xCA);
}

// ---- planes -------------------------------------------------------------------------------------

/// Stores the planes of registers of elements of kBytes bytes.
template <int kBytes>
[[MGQE_VBMI_INLINE]] inline void part(const __m512i* registers, uint8_t* planes, int64_t stride) {
  if constexpr (kBytes == 1) {
    _mm512_store_si512(planes, registers[0]);
  } else {
    constexpr int kHalf = kBytes / 2;
    __m512i low[kHalf], high[kHalf];
    for (int i = 0; i < kHalf; ++i) {
      const __m512i a = registers[2 * i], b = registers[2 * i + 1];
      if constexpr (kBytes == 8) {
        const __m512i lower = _mm512_set1_epi64(0xFFFFFFFF);
        low[i] = select(lower, a, _mm512_slli_epi64(b, 32));
        high[i] = select(lower, _mm512_srli_epi64(a, 32), b);
      } else if constexpr (kBytes == 4) {
        const __m512i lower = _mm512_set1_epi32(0xFFFF);
        low[i] = select(lower, a, _mm512_slli_epi32(b, 16));
        high[i] = select(lower, _mm512_srli_epi32(a, 16), b);
      } else {
        const __m512i lower = _mm512_set1_epi16(0xFF);
        low[i] = select(lower, a, _mm512_slli_epi16(b, 8));
        high[i] = select(lower, _mm512_srli_epi16(a, 8), b);
      }
    }
    part<kHalf>(low, planes, stride);
    part<kHalf>(high, planes + kHalf * stride, stride);
  }
}

template <int kBytes, int kRuns>
[[MGQE_VBMI]] void unpack_elements(const TileLayout& layout, const uint8_t* rows, int tiles,
                                   int first, int last, uint8_t* planes, int64_t stride) {
  constexpr int kLanes = kTileRows / kBytes;
  const int64_t register_bytes = kLanes * layout.row_bytes;
  int64_t run[kRuns];
  __mmask64 mask[kRuns];
  for (int i = 0; i < kRuns; ++i) {
    run[i] = layout.run_start[i] * layout.row_bytes - i * kBytes;
    mask[i] = layout.mask_bits[i];
  }
  for (int t = 0; t < tiles; ++t, rows += kBytes * register_bytes)
    for (int e = first; e < last; ++e) {
      const int64_t offset = layout.offset(e);
      __m512i registers[kBytes];
#pragma GCC unroll 8
      for (int r = 0; r < kBytes; ++r) {
        const uint8_t* from = rows + offset + r * register_bytes;
        registers[r] = load(from);
#pragma GCC unroll 8
        for (int i = 1; i < kRuns; ++i)
          registers[r] = _mm512_mask_loadu_epi8(registers[r], mask[i], from + run[i]);
      }
      part<kBytes>(registers, planes + offset * stride + t * kTileRows, stride);
    }
}

template <int kBytes>
[[MGQE_VBMI]] void unpack_runs(const TileLayout& layout, const uint8_t* rows, int tiles, int first,
                               int last, uint8_t* planes, int64_t stride) {
  switch (layout.runs) {
#define MGQE_RUNS(n) \
  case n:            \
    return unpack_elements<kBytes, n>(layout, rows, tiles, first, last, planes, stride);
    MGQE_RUNS(1)
    MGQE_RUNS(2) MGQE_RUNS(3) MGQE_RUNS(4) MGQE_RUNS(5) MGQE_RUNS(6) MGQE_RUNS(7) MGQE_RUNS(8)
#undef MGQE_RUNS
  }
}

void unpack(const TileLayout& layout, const uint8_t* rows, int tiles, int first, int last,
            uint8_t* planes, int64_t stride) {
  switch (layout.element_bytes) {
    case 1:
      return unpack_runs<1>(layout, rows, tiles, first, last, planes, stride);
    case 2:
      return unpack_runs<2>(layout, rows, tiles, first, last, planes, stride);
    case 4:
      return unpack_runs<4>(layout, rows, tiles, first, last, planes, stride);
    default:
      return unpack_runs<8>(layout, rows, tiles, first, last, planes, stride);
  }
}

[[MGQE_VBMI]] void extract(const uint8_t* low, const uint8_t* high, int shift, int tiles,
                           uint8_t* codes) {
  const __m128i down = _mm_cvtsi32_si128(shift), up = _mm_cvtsi32_si128(8 - shift);
  const __m512i from_low = _mm512_set1_epi8(static_cast<char>((1 << (8 - shift)) - 1));
  for (int t = 0; t < tiles * kTileRows; t += kTileRows)
    _mm512_store_si512(codes + t, select(from_low, _mm512_srl_epi16(load(low + t), down),
                                         _mm512_sll_epi16(load(high + t), up)));
}

// ---- sums ---------------------------------------------------------------------------------------

template <int kEntries>
[[MGQE_VBMI_INLINE]] inline __m512i look_up(__m512i codes, const uint8_t* table) {
  if constexpr (kEntries == 64) {
    return _mm512_permutexvar_epi8(codes, load(table));
  } else if constexpr (kEntries == 128) {
    return _mm512_permutex2var_epi8(load(table), codes, load(table + 64));
  } else {
    return _mm512_mask_blend_epi8(
        _mm512_movepi8_mask(codes), _mm512_permutex2var_epi8(load(table), codes, load(table + 64)),
        _mm512_permutex2var_epi8(load(table + 128), codes, load(table + 192)));
  }
}

template <int kEntries>
[[MGQE_VBMI]] void rename_codes(const uint8_t* codes, const uint8_t* names, int tiles,
                                uint8_t* out) {
  for (int t = 0; t < tiles * kTileRows; t += kTileRows)
    _mm512_store_si512(out + t, look_up<kEntries>(load(codes + t), names));
}

void rename(const uint8_t* codes, const uint8_t* names, int entries, int tiles, uint8_t* out) {
  if (entries == 256) return rename_codes<256>(codes, names, tiles, out);
  rename_codes<128>(codes, names, tiles, out);
}

/// kCount subspaces, whose tables of 64 entries stay in registers; 0: as many as there are.
template <int kEntries, int kCount>
[[MGQE_VBMI_INLINE]] inline __m512i add_codes(const CodeTables& tables, int64_t tile, __m512i sum) {
  const int count = kCount > 0 ? kCount : tables.subspaces;
#pragma GCC unroll 16
  for (int j = 0; j < count; ++j)
    sum = _mm512_adds_epu8(sum, look_up<kEntries>(load(tables.codes[j] + tile * kTileRows),
                                                  tables.tables + j * kEntries));
  return sum;
}

[[MGQE_VBMI_INLINE]] inline int queue(__m512i sum, int tile, int count, TileHits& hits) {
  const __mmask64 left = _mm512_cmpneq_epu8_mask(sum, _mm512_set1_epi8(-1));
  _mm512_store_si512(hits.sums + count * kTileRows, sum);
  hits.tile[count] = tile;
  hits.lanes[count] = left;
  return count + (left != 0);
}

template <int kEntries, int kCount>
[[MGQE_VBMI]] int sum_tiles(const CodeTables& tables, int first, int last, int count,
                            TileHits& hits) {
  for (int t = first; t < last; ++t)
    count = queue(add_codes<kEntries, kCount>(tables, t, _mm512_setzero_si512()), t, count, hits);
  return count;
}

/// The same with tables and addresses in registers.
template <int kCount>
[[MGQE_VBMI]] int sum_tiles_of(const CodeTables& tables, int first, int last, int count,
                               TileHits& hits) {
  __m512i table[kCount];
  const uint8_t* codes[kCount];
#pragma GCC unroll 16
  for (int j = 0; j < kCount; ++j) {
    table[j] = load(tables.tables + j * 64);
    codes[j] = tables.codes[j];
  }
  for (int t = first; t < last; ++t) {
    __m512i sum = _mm512_permutexvar_epi8(load(codes[0] + t * kTileRows), table[0]);
#pragma GCC unroll 16
    for (int j = 1; j < kCount; ++j)
      sum =
          _mm512_adds_epu8(sum, _mm512_permutexvar_epi8(load(codes[j] + t * kTileRows), table[j]));
    count = queue(sum, t, count, hits);
  }
  return count;
}

int sum(const CodeTables& tables, int first, int last, int count, TileHits& hits) {
  if (tables.entries == 256) return sum_tiles<256, 0>(tables, first, last, count, hits);
  if (tables.entries == 128) return sum_tiles<128, 0>(tables, first, last, count, hits);
  switch (tables.subspaces) {
    case 1:
      return sum_tiles_of<1>(tables, first, last, count, hits);
    case 2:
      return sum_tiles_of<2>(tables, first, last, count, hits);
    case 3:
      return sum_tiles_of<3>(tables, first, last, count, hits);
    case 4:
      return sum_tiles_of<4>(tables, first, last, count, hits);
    case 5:
      return sum_tiles_of<5>(tables, first, last, count, hits);
    case 6:
      return sum_tiles_of<6>(tables, first, last, count, hits);
    case 7:
      return sum_tiles_of<7>(tables, first, last, count, hits);
    case 8:
      return sum_tiles_of<8>(tables, first, last, count, hits);
    case 9:
      return sum_tiles_of<9>(tables, first, last, count, hits);
    case 10:
      return sum_tiles_of<10>(tables, first, last, count, hits);
    case 11:
      return sum_tiles_of<11>(tables, first, last, count, hits);
    case 12:
      return sum_tiles_of<12>(tables, first, last, count, hits);
    default:
      return sum_tiles<64, 0>(tables, first, last, count, hits);
  }
}

template <int kEntries>
[[MGQE_VBMI]] int add_tiles(const CodeTables& tables, int count, TileHits& hits) {
  int left = 0;
  for (int i = 0; i < count; ++i) {
    const int tile = hits.tile[i];
    left = queue(add_codes<kEntries, 0>(tables, tile, load(hits.sums + i * kTileRows)), tile, left,
                 hits);
  }
  return left;
}

int add(const CodeTables& tables, int count, TileHits& hits) {
  if (tables.entries == 256) return add_tiles<256>(tables, count, hits);
  if (tables.entries == 128) return add_tiles<128>(tables, count, hits);
  return add_tiles<64>(tables, count, hits);
}

}  // namespace

const ScanKernels& avx512_scan_kernels() {
  static const ScanKernels kernels{unpack, extract, rename, sum, add, true};
  return kernels;
}

}  // namespace mgqe
#endif

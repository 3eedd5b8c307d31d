#include "host/serve/scan/kernels.hpp"

#include <algorithm>
#include <cstring>

namespace mgqe {
namespace {

void unpack(const TileLayout& layout, const uint8_t* rows, int tiles, int first, int last,
            uint8_t* planes, int64_t stride) {
  const int64_t tile_bytes = layout.row_bytes * kTileRows;
  for (int e = first; e < last; ++e)
    for (int64_t p = layout.offset(e); p < layout.offset(e) + layout.element_bytes; ++p)
      for (int t = 0; t < tiles; ++t)
        for (int lane = 0; lane < kTileRows; ++lane)
          planes[p * stride + t * kTileRows + lane] =
              rows[t * tile_bytes + layout.row_of_lane[lane] * layout.row_bytes + p];
}

void extract(const uint8_t* low, const uint8_t* high, int shift, int tiles, uint8_t* codes) {
  for (int i = 0; i < tiles * kTileRows; ++i)
    codes[i] = static_cast<uint8_t>(low[i] >> shift | high[i] << (8 - shift));
}

void rename(const uint8_t* codes, const uint8_t* names, int entries, int tiles, uint8_t* out) {
  for (int i = 0; i < tiles * kTileRows; ++i) out[i] = names[codes[i] & (entries - 1)];
}

/// Adds to the sums of one tile.
uint64_t add_tile(const CodeTables& tables, int tile, uint8_t* sums) {
  uint16_t wide[kTileRows];
  for (int lane = 0; lane < kTileRows; ++lane) wide[lane] = sums[lane];
  for (int j = 0; j < tables.subspaces; ++j) {
    const uint8_t* codes = tables.codes[j] + tile * kTileRows;
    const uint8_t* table = tables.tables + j * tables.entries;
    const int mask = tables.entries - 1;
    for (int lane = 0; lane < kTileRows; ++lane)
      wide[lane] = static_cast<uint16_t>(wide[lane] + table[codes[lane] & mask]);
    if (j % 128 == 127)  // before sixteen bits are full
      for (uint16_t& sum : wide) sum = std::min<uint16_t>(sum, 255);
  }
  uint64_t left = 0;
  for (int lane = 0; lane < kTileRows; ++lane) {
    sums[lane] = static_cast<uint8_t>(std::min<uint16_t>(wide[lane], 255));
    left |= static_cast<uint64_t>(sums[lane] < 255) << lane;
  }
  return left;
}

int sum(const CodeTables& tables, int first, int last, int count, TileHits& hits) {
  for (int t = first; t < last; ++t) {
    uint8_t* sums = hits.sums + count * kTileRows;
    std::memset(sums, 0, kTileRows);
    hits.tile[count] = t;
    hits.lanes[count] = add_tile(tables, t, sums);
    count += hits.lanes[count] != 0;
  }
  return count;
}

int add(const CodeTables& tables, int count, TileHits& hits) {
  int left = 0;
  for (int i = 0; i < count; ++i) {
    uint8_t* sums = hits.sums + left * kTileRows;
    if (left < i) std::memcpy(sums, hits.sums + i * kTileRows, kTileRows);
    hits.tile[left] = hits.tile[i];
    hits.lanes[left] = add_tile(tables, hits.tile[i], sums);
    left += hits.lanes[left] != 0;
  }
  return left;
}

}  // namespace

const ScanKernels& scalar_scan_kernels() {
  static const ScanKernels kernels{unpack, extract, rename, sum, add, false};
  return kernels;
}

const ScanKernels& scan_kernels(ScanLevel level) {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2");
  static const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vl");
  if (avx512 && (level == ScanLevel::kBest || level == ScanLevel::kAvx512))
    return avx512_scan_kernels();
  if (avx2 && level != ScanLevel::kScalar) return avx2_scan_kernels();
#endif
  static_cast<void>(level);
  return scalar_scan_kernels();
}

}  // namespace mgqe

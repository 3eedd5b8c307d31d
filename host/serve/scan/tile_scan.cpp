// The choice of a level, and the plain one.
#include "host/serve/scan/tile_scan.hpp"

#include <algorithm>

#include "host/serve/scan/deficit.hpp"

namespace mgqe {
namespace {

void unpack(const TileSource& source, int64_t first, int64_t tiles, uint8_t* planes) {
  for (int64_t tile = 0; tile < tiles; ++tile, planes += plane_bytes(source.subspaces)) {
    const int64_t begin = (first + tile) * kTileRows;
    const int64_t rows = std::min(kTileRows, source.rows - begin);
    for (int64_t r = 0; r < kTileRows; ++r) {
      const uint8_t* row = source.codes + (begin + std::min(r, rows - 1)) * source.row_bytes;
      for (int j = 0; j < source.subspaces; ++j)
        planes[j * kTileRows + r] = static_cast<uint8_t>(unpack_code(row, j, source.bits));
    }
  }
}

int64_t scan(const uint8_t* planes, int subspaces, int bits, const uint8_t* tables, int64_t tiles,
             int32_t* lanes) {
  const int entries = table_entries(bits);
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += plane_bytes(subspaces)) {
    int sums[kTileRows] = {};
    for (int j = 0; j < subspaces; ++j)
      for (int64_t r = 0; r < kTileRows; ++r)
        sums[r] += tables[j * entries + (planes[j * kTileRows + r] & (entries - 1))];
    for (int64_t r = 0; r < kTileRows; ++r)
      if (sums[r] < 255) lanes[count++] = static_cast<int32_t>(tile * kTileRows + r);
  }
  return count;
}

int64_t scan_dense(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                   int32_t* lanes) {
  int64_t count = 0;
  for (int64_t tile = 0; tile < tiles; ++tile, planes += dense_plane_bytes(subspaces)) {
    int sums[kTileRows] = {};
    for (int j = 0; j < subspaces; j += 4) {
      const uint8_t* three = planes + j / 4 * 3 * kTileRows;
      const uint8_t* table = tables + j * 64;
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int a = three[r], b = three[kTileRows + r], c = three[2 * kTileRows + r];
        const int fourth = a >> 6 | (b >> 6) << 2 | (c >> 6) << 4;
        sums[r] +=
            table[a & 63] + table[64 + (b & 63)] + table[128 + (c & 63)] + table[192 + fourth];
      }
    }
    for (int64_t r = 0; r < kTileRows; ++r)
      if (sums[r] < 255) lanes[count++] = static_cast<int32_t>(tile * kTileRows + r);
  }
  return count;
}

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vbmi");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"); }
#endif

}  // namespace

const TileScan& scalar_tile_scan() {
  static const TileScan level = {unpack, scan, scan_dense};
  return level;
}

const TileScan& tile_scan(ScanLevel level) {
#if defined(__x86_64__)
  const bool best = level == ScanLevel::kBest;
  if ((best || level == ScanLevel::kAvx512) && has_avx512()) return avx512_tile_scan();
  if ((best || level == ScanLevel::kAvx2) && has_avx2()) return avx2_tile_scan();
#endif
  return scalar_tile_scan();
}

void make_dense(const uint8_t* planes, int subspaces, int64_t tiles, uint8_t* dense) {
  for (int64_t four = 0; four < tiles * subspaces / 4; ++four) {
    const uint8_t* from = planes + four * 4 * kTileRows;
    uint8_t* to = dense + four * 3 * kTileRows;
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int last = from[3 * kTileRows + r];
      for (int i = 0; i < 3; ++i)
        to[i * kTileRows + r] =
            static_cast<uint8_t>((from[i * kTileRows + r] & 63) | (last >> 2 * i & 3) << 6);
    }
  }
}

void make_planes(const uint8_t* dense, int subspaces, int64_t tiles, uint8_t* planes) {
  for (int64_t four = 0; four < tiles * subspaces / 4; ++four) {
    const uint8_t* from = dense + four * 3 * kTileRows;
    uint8_t* to = planes + four * 4 * kTileRows;
    for (int64_t r = 0; r < kTileRows; ++r) {
      int last = 0;
      for (int i = 0; i < 3; ++i) {
        to[i * kTileRows + r] = from[i * kTileRows + r] & 63;
        last |= (from[i * kTileRows + r] >> 6) << 2 * i;
      }
      to[3 * kTileRows + r] = static_cast<uint8_t>(last);
    }
  }
}

}  // namespace mgqe

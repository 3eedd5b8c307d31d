// Tiles of 64 rows: their codes as planes, plane j the codes of subspace j in a byte each, and the
// rows of them whose eight-bit deficits stay below 255. One implementation an instruction level.
//
// Cost a tile of D = 8 on AVX-512 VBMI, all on the one port that shuffles: 8 permutations to look up
// in tables of 64 entries; to get planes out of packed rows 24 more that pick and shift bits, and 24
// that transpose. In dense planes, kept in memory, four codes of up to six bits are three bytes: the
// upper two bits of each hold the fourth, and a permutation of bytes ignores them.
#pragma once

#include <cstdint>

#include "host/serve/scan/top_k.hpp"

namespace mgqe {

inline constexpr int64_t kTileRows = 64;

/// The packed rows of a tier.
struct TileSource {
  const uint8_t* codes;  // (rows, row_bytes)
  int64_t rows, row_bytes;
  int bits, subspaces;  // 1 to 8; D

  int64_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
};

/// Whether four codes go into three planes.
inline bool has_dense_planes(int bits, int subspaces) { return bits <= 6 && subspaces % 4 == 0; }
inline int64_t plane_bytes(int subspaces) { return subspaces * kTileRows; }
inline int64_t dense_plane_bytes(int subspaces) { return subspaces / 4 * 3 * kTileRows; }

struct TileScan {
  /// Planes (tiles, D, 64) of tiles [first, first + tiles), on 64 bytes. Lanes beyond the last row
  /// may hold anything, and so may bits above a code's of up to six bits.
  void (*unpack)(const TileSource& source, int64_t first, int64_t tiles, uint8_t* planes);
  /// 64 * tile + lane of the lanes of those tiles whose deficits sum up to less than 255, ascending;
  /// returns how many. tables: as Deficits::tables().
  int64_t (*scan)(const uint8_t* planes, int subspaces, int bits, const uint8_t* tables,
                  int64_t tiles, int32_t* lanes);
  /// The same from dense planes.
  int64_t (*scan_dense)(const uint8_t* planes, int subspaces, const uint8_t* tables, int64_t tiles,
                        int32_t* lanes);
};

/// Of a level; of the best or the scalar one where this processor has not the one asked for.
const TileScan& tile_scan(ScanLevel level);

/// Planes to dense planes and back.
void make_dense(const uint8_t* planes, int subspaces, int64_t tiles, uint8_t* dense);
void make_planes(const uint8_t* dense, int subspaces, int64_t tiles, uint8_t* planes);

const TileScan& scalar_tile_scan();
#if defined(__x86_64__)
const TileScan& avx2_tile_scan();    // AVX2 and BMI2
const TileScan& avx512_tile_scan();  // AVX-512 F, BW, VBMI
#endif

}  // namespace mgqe

// Tiles: 64 rows of a tier whose packed bytes stand as planes, plane p byte p of every row, a row a
// lane. Codes of a subspace are then a shift and a select of two planes, whatever bits and D are.
//
// Which row is in which lane is what makes planes cheap to get from packed rows. A row of R bytes
// is m elements of g = gcd(R, 8) bytes. The lanes of a register (64 / g elements) are dealt out to
// m runs of consecutive rows, lane l to run l mod m. Row after row of run i, its elements come
// around at lanes l = i mod m if the run is read from i elements before its start, so
//   element e of 64 / g rows = m loads at different addresses, each masked to its run.
// No byte is shuffled. Pairs of registers then part elements of g bytes to those of g / 2: a shift
// and a select each. For R = 6 a tile takes 18 loads and 36 operations.
//
// Where m would be over eight (R = 9, 11, 18, ...), elements are eight bytes at any offset, the
// last one up to the row's end, and every lane is a run of its own.
#pragma once

#include <cstdint>

namespace mgqe {

inline constexpr int kTileRows = 64;
/// Tiles that stand together: plane after plane, of each the lanes of all of the block's tiles.
inline constexpr int kBlockTiles = 64;
inline constexpr int64_t kBlockRows = kBlockTiles * kTileRows;

struct TileLayout {
  static constexpr int kMaxRuns = 8;

  explicit TileLayout(int64_t row_bytes);

  /// Where element e begins in a row.
  int64_t offset(int e) const {
    const int64_t begin = static_cast<int64_t>(e) * element_bytes;
    return begin + element_bytes <= row_bytes ? begin : row_bytes - element_bytes;
  }
  /// The first elements that cover planes [0, planes).
  int elements_of(int64_t planes) const {
    return static_cast<int>((planes + element_bytes - 1) / element_bytes);
  }
  int lanes() const { return kTileRows / element_bytes; }

  int64_t row_bytes;
  int element_bytes;                       // g
  int elements;                            // of a row
  int runs;                                // m, or 8
  int64_t run_start[kMaxRuns];             // row of a register's rows at which a run begins
  alignas(64) uint8_t mask[kMaxRuns][64];  // 255 at the bytes of a run's lanes
  uint64_t mask_bits[kMaxRuns];            // the same as bits
  uint8_t row_of_lane[kTileRows];          // of a tile of planes
};

}  // namespace mgqe

// The inner loops of a scan, one set an instruction level; all give the same bytes but for the bits
// above a code's own and lanes beyond the last row.
//
// Cost on AVX-512 VBMI: a tile of 64 rows takes one permutation and one saturating addition a
// subspace of up to 64 centroids (four permutations at 256). It is given up where all of its lanes
// are at 255, so tiles are summed in two goes: the few that the first leaves are queued, and a loop
// without branches does the queueing. A branch a tile lost to that by a third.
#pragma once

#include <cstdint>

#include "host/serve/scan/tile_layout.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe {

/// Tiles that are left, in ascending order.
struct TileHits {
  int tile[kBlockTiles + 1];
  uint64_t lanes[kBlockTiles + 1];                          // whose sums are below 255
  alignas(64) uint8_t sums[(kBlockTiles + 1) * kTileRows];  // of all lanes
};

/// What a range of subspaces is summed from: codes[j] + 64 t are the codes of tile t.
struct CodeTables {
  const uint8_t* const* codes;  // (n), each on 64 bytes
  const uint8_t* tables;        // (n, entries), on 64 bytes
  int subspaces;                // n
  int entries;                  // 64, 128 or 256
};

struct ScanKernels {
  /// Planes of elements [first, last) of the packed rows of `tiles` whole tiles, to planes + p
  /// stride + 64 t for plane p. Up to 63 bytes beyond the rows are read.
  void (*unpack)(const TileLayout& layout, const uint8_t* rows, int tiles, int first, int last,
                 uint8_t* planes, int64_t stride);
  /// Codes that cross bytes: `shift` bits further up than the low plane, whose upper 8 - shift bits
  /// come first; high may be low where it has all of the code.
  void (*extract)(const uint8_t* low, const uint8_t* high, int shift, int tiles, uint8_t* codes);
  /// names[code], of a table of 128 or 256.
  void (*rename)(const uint8_t* codes, const uint8_t* names, int entries, int tiles, uint8_t* out);
  /// Sums of tiles [first, last), queued in hits after `count` that are there; returns how many
  /// are.
  int (*sum)(const CodeTables& tables, int first, int last, int count, TileHits& hits);
  /// Adds to the sums of `count` hits, drops those which have no lane left; returns how many have.
  int (*add)(const CodeTables& tables, int count, TileHits& hits);
  /// Whether a look-up in 64 entries costs less than one in 256.
  bool shuffles;
};

/// Of a level, or the next lower one that this processor runs.
const ScanKernels& scan_kernels(ScanLevel level);

const ScanKernels& scalar_scan_kernels();
#if defined(__x86_64__)
const ScanKernels& avx2_scan_kernels();
const ScanKernels& avx512_scan_kernels();  // F, BW, VBMI
#endif

}  // namespace mgqe

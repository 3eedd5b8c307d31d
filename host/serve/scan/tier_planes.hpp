// TierPlanes: the codes of some consecutive tiles of a tier, brought into planes of a byte a row as
// they are asked for: those of the first subspaces for all tiles at once, the others tile by tile,
// as few tiles need them. Out of a prepared table, or straight from packed rows.
#pragma once

#include <memory>
#include <vector>

#include "host/serve/scan/kernels.hpp"
#include "host/serve/scan/tier_codebook.hpp"
#include "host/serve/scan/tile_layout.hpp"

namespace mgqe {

class TierPlanes {
 public:
  /// prepared: planes of the whole tier, or null. With groups, codes go by their names.
  TierPlanes(const PackedTiers& table, int tier, const uint8_t* prepared,
             const ScanKernels& kernels, const CentroidGroups& groups);

  /// Tiles that are scanned at a time: their codes stay in a near cache.
  int step() const { return step_; }
  int64_t tiles() const { return (rows_ + kTileRows - 1) / kTileRows; }

  /// Goes to tiles [first, first + count), all of one block, with codes of subspaces [0, split).
  void go_to(int64_t first, int count, int split);
  /// Makes tile t of them have all its codes.
  void complete(int t) {
    if (!complete_[static_cast<size_t>(t)]) complete_tile(t);
  }
  /// Has caches begin to read what complete(t) will, or go_to() of the tiles `step` further on for
  /// tiles [first, last) of those.
  void prefetch(int t) const {
    if (prepared_ != nullptr && !complete_[static_cast<size_t>(t)]) prefetch_rest(t);
  }
  void prefetch_next(int first, int last) const;

  /// codes()[j] + 64 t: codes of subspace j of tile t, whatever stands above their bits.
  const uint8_t* const* codes() const { return codes_.data(); }
  /// Lanes of tile t that are rows.
  uint64_t valid_lanes(int t) const;
  /// Of the tier.
  int64_t row(int t, int lane) const {
    return (first_ + t) * kTileRows + layout_.row_of_lane[lane];
  }
  void read_codes(int t, int lane, uint8_t* codes) const {
    const int mask = (1 << bits_) - 1;
    for (size_t j = 0; j < codes_.size(); ++j)
      codes[j] = static_cast<uint8_t>(codes_[j][t * kTileRows + lane] & mask);
    if (groups_.given())
      for (size_t j = 0; j < codes_.size(); ++j) codes[j] = groups_.codes[(j << bits_) + codes[j]];
  }

  /// Bytes that the planes of a prepared tier take, and planes of tiles [first, last), whole blocks
  /// but for the end of the tier, to their place there.
  int64_t prepared_bytes() const { return tiles() * kTileRows * layout_.row_bytes; }
  void prepare(int64_t first, int64_t last, uint8_t* planes);

 private:
  void complete_tile(int t);
  void prefetch_rest(int t) const;
  void unpack(int64_t first, int64_t count, int first_element, int last_element, uint8_t* planes,
              int64_t stride);
  void extract(int first, int last, int t, int tiles);
  /// Planes that hold the codes of the first `subspaces`.
  int64_t planes_of(int subspaces) const { return packed_row_bytes(subspaces, bits_); }

  const ScanKernels& kernels_;
  const CentroidGroups& groups_;
  TileLayout layout_;
  const uint8_t* rows_bytes_;
  const uint8_t* prepared_;
  int64_t rows_;
  int bits_, subspaces_, step_;

  int64_t first_ = 0;  // tile
  int split_ = 0;
  const uint8_t* planes_ = nullptr;  // of tile first_
  int64_t stride_ = 0;               // from plane to plane
  std::vector<const uint8_t*> codes_;
  std::vector<uint8_t> complete_;
  std::shared_ptr<uint8_t[]> unpacked_, extracted_, tail_;
};

}  // namespace mgqe

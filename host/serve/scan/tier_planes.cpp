#include "host/serve/scan/tier_planes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "host/serve/scan/aligned_bytes.hpp"

namespace mgqe {
namespace {

constexpr int64_t kNearBytes = 32 << 10;  // of codes scanned at a time
constexpr int kLeastStep = 8;             // tiles, so that what comes before each step pays

}  // namespace

TierPlanes::TierPlanes(const PackedTiers& table, int tier, const uint8_t* prepared,
                       const ScanKernels& kernels, const CentroidGroups& groups)
    : kernels_(kernels),
      groups_(groups),
      layout_(std::max<int64_t>(table.tiers[tier].row_bytes(), 1)),
      rows_bytes_(table.tiers[tier].codes),
      prepared_(prepared),
      rows_(table.ranges.rows(tier)),
      bits_(table.tiers[tier].bits),
      subspaces_(table.tiers[tier].subspaces),
      codes_(static_cast<size_t>(subspaces_)) {
  const auto fits = static_cast<uint64_t>(kNearBytes / kTileRows / subspaces_);
  step_ = std::clamp(static_cast<int>(std::bit_floor(fits)), kLeastStep, kBlockTiles);
  complete_.resize(static_cast<size_t>(step_));
  extracted_ = aligned_bytes(int64_t{step_} * kTileRows * subspaces_);
  if (prepared == nullptr) unpacked_ = aligned_bytes(step_ * kTileRows * layout_.row_bytes);
  tail_ = aligned_bytes(kTileRows * layout_.row_bytes + 64);
}

void TierPlanes::go_to(int64_t first, int count, int split) {
  first_ = first;
  split_ = split;
  std::fill(complete_.begin(), complete_.end(), split == subspaces_);
  if (prepared_ != nullptr) {
    const int64_t block = first / kBlockTiles * kBlockTiles;
    stride_ = std::min<int64_t>(kBlockTiles, tiles() - block) * kTileRows;
    planes_ = prepared_ + block * kTileRows * layout_.row_bytes + (first - block) * kTileRows;
  } else {
    stride_ = int64_t{step_} * kTileRows;
    planes_ = unpacked_.get();
    unpack(first, count, 0, layout_.elements_of(planes_of(split)), unpacked_.get(), stride_);
  }
  for (int j = 0; j < subspaces_; ++j) {
    const int64_t bit = int64_t{j} * bits_;
    codes_[static_cast<size_t>(j)] = bit % 8 == 0 && !groups_.given()
                                         ? planes_ + bit / 8 * stride_
                                         : extracted_.get() + int64_t{j} * step_ * kTileRows;
  }
  extract(0, split, 0, count);
}

void TierPlanes::complete_tile(int t) {
  complete_[static_cast<size_t>(t)] = 1;
  if (prepared_ == nullptr)
    unpack(first_ + t, 1, layout_.elements_of(planes_of(split_)), layout_.elements,
           unpacked_.get() + t * kTileRows, stride_);
  extract(split_, subspaces_, t, 1);
}

void TierPlanes::prefetch_rest(int t) const {
  for (int64_t p = int64_t{split_} * bits_ / 8; p < layout_.row_bytes; ++p)
    __builtin_prefetch(planes_ + p * stride_ + t * kTileRows);
}

void TierPlanes::prefetch_next(int first, int last) const {
  const int64_t next = first_ + step_;
  last = static_cast<int>(std::min<int64_t>(last, tiles() - next));
  if (prepared_ == nullptr) {
    const uint8_t* rows = rows_bytes_ + next * kTileRows * layout_.row_bytes;
    for (int64_t line = first * layout_.row_bytes; line < last * layout_.row_bytes; ++line)
      __builtin_prefetch(rows + line * 64, 0, 2);
    return;
  }
  const int64_t block = next / kBlockTiles * kBlockTiles;
  const int64_t stride = std::min<int64_t>(kBlockTiles, tiles() - block) * kTileRows;
  const uint8_t* planes =
      prepared_ + block * kTileRows * layout_.row_bytes + (next - block) * kTileRows;
  for (int64_t p = 0; p < planes_of(split_); ++p)
    for (int t = first; t < last; ++t)
      __builtin_prefetch(planes + p * stride + t * kTileRows, 0, 2);
}

void TierPlanes::extract(int first, int last, int t, int tiles) {
  const int64_t at = int64_t{t} * kTileRows;
  for (int j = first; j < last; ++j) {
    const int64_t bit = int64_t{j} * bits_, plane = bit / 8;
    const int shift = static_cast<int>(bit % 8);
    const uint8_t* low = planes_ + plane * stride_ + at;
    uint8_t* out = extracted_.get() + int64_t{j} * step_ * kTileRows + at;
    if (shift != 0)
      kernels_.extract(low, shift + bits_ > 8 ? low + stride_ : low, shift, tiles, out);
    if (groups_.given())
      kernels_.rename(shift != 0 ? out : low, groups_.names.data() + (int64_t{j} << bits_),
                      1 << bits_, tiles, out);
  }
}

/// Kernels read whole registers, so that the last rows of a tier are unpacked from a copy.
void TierPlanes::unpack(int64_t first, int64_t count, int first_element, int last_element,
                        uint8_t* planes, int64_t stride) {
  const int64_t tile_bytes = kTileRows * layout_.row_bytes, bytes = rows_ * layout_.row_bytes;
  const int64_t inside = std::max<int64_t>(0, (bytes - 64) / tile_bytes);  // tiles
  const int64_t plain = std::clamp<int64_t>(inside - first, 0, count);
  if (plain > 0)
    kernels_.unpack(layout_, rows_bytes_ + first * tile_bytes, static_cast<int>(plain),
                    first_element, last_element, planes, stride);
  for (int64_t t = plain; t < count; ++t) {
    const int64_t begin = (first + t) * tile_bytes, size = std::min(tile_bytes, bytes - begin);
    std::memset(tail_.get(), 0, static_cast<size_t>(tile_bytes + 64));
    std::memcpy(tail_.get(), rows_bytes_ + begin, static_cast<size_t>(size));
    kernels_.unpack(layout_, tail_.get(), 1, first_element, last_element, planes + t * kTileRows,
                    stride);
  }
}

uint64_t TierPlanes::valid_lanes(int t) const {
  const int64_t here = rows_ - (first_ + t) * kTileRows;
  if (here >= kTileRows) return ~uint64_t{0};
  uint64_t valid = 0;
  for (int lane = 0; lane < kTileRows; ++lane)
    valid |= static_cast<uint64_t>(layout_.row_of_lane[lane] < here) << lane;
  return valid;
}

void TierPlanes::prepare(int64_t first, int64_t last, uint8_t* planes) {
  for (int64_t block = first; block < last; block += kBlockTiles) {
    const int64_t count = std::min<int64_t>(kBlockTiles, tiles() - block);
    unpack(block, count, 0, layout_.elements, planes + block * kTileRows * layout_.row_bytes,
           count * kTileRows);
  }
}

}  // namespace mgqe

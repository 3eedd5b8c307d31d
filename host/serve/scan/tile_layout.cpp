#include "host/serve/scan/tile_layout.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace mgqe {

TileLayout::TileLayout(int64_t row_bytes) : row_bytes(row_bytes) {
  element_bytes = static_cast<int>(std::gcd(row_bytes, int64_t{8}));
  if (row_bytes / element_bytes > kMaxRuns) element_bytes = 8;
  elements = static_cast<int>((row_bytes + element_bytes - 1) / element_bytes);
  runs = std::min(elements, kMaxRuns);
  if (row_bytes % element_bytes != 0) runs = kMaxRuns;
  const int lanes = this->lanes();
  int64_t start = 0;
  for (int i = 0; i < runs; ++i) {
    run_start[i] = start;
    mask_bits[i] = 0;
    for (int byte = 0; byte < 64; ++byte) {
      const bool mine = byte / element_bytes % runs == i;
      mask[i][byte] = mine ? 255 : 0;
      mask_bits[i] |= static_cast<uint64_t>(mine) << byte;
    }
    for (int lane = i; lane < lanes; lane += runs) ++start;
  }
  // Registers of the elements of consecutive rows; parting a pair interleaves their lanes.
  std::vector<std::vector<uint8_t>> registers(static_cast<size_t>(element_bytes));
  for (int r = 0; r < element_bytes; ++r)
    for (int lane = 0; lane < lanes; ++lane)
      registers[static_cast<size_t>(r)].push_back(
          static_cast<uint8_t>(r * lanes + run_start[lane % runs] + lane / runs));
  for (; registers.size() > 1; registers.resize(registers.size() / 2)) {
    for (size_t pair = 0; 2 * pair < registers.size(); ++pair) {
      std::vector<uint8_t> merged;
      for (size_t lane = 0; lane < registers[2 * pair].size(); ++lane) {
        merged.push_back(registers[2 * pair][lane]);
        merged.push_back(registers[2 * pair + 1][lane]);
      }
      registers[pair] = std::move(merged);
    }
  }
  std::copy(registers[0].begin(), registers[0].end(), row_of_lane);
}

}  // namespace mgqe

// How one assign call is run: tile shapes by the number of rows, w and D. Plain numbers, so that
// the choice can be printed and tested without a GPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "host/base/check.hpp"

namespace mgqe {

/// Grid (tiles, slabs): tiles of rows, walked where there are more; slabs of subspaces.
struct AssignConfig {
  int rows = 0;       // a thread; 0: the kernel for any width
  int subspaces = 1;  // a block
  int threads = 0;    // a block
  int64_t tiles = 0;
  int64_t slabs = 0;

  int64_t tile_rows() const { return int64_t{threads} / subspaces * rows; }
  bool operator==(const AssignConfig&) const = default;
};

inline std::string describe(const AssignConfig& config) {
  return detail::concat(config.rows, " rows a thread, ", config.subspaces, " subspaces and ",
                        config.threads, " threads a block, grid ", config.tiles, " x ",
                        config.slabs);
}

/// Subspaces of a slab: together at least a sector of 32 bytes; one from w = 8 on.
constexpr int slab_subspaces(int width) { return width <= 2 ? 8 : width == 4 ? 4 : 1; }
/// Rows a thread when there are many: as many as registers hold without spilling.
constexpr int most_rows(int width) { return width >= 16 ? 4 : 8; }
/// Threads of a block: a warp a subspace, four where the block has one subspace.
constexpr int assign_threads(int subspaces) { return subspaces == 1 ? 128 : 32 * subspaces; }
inline constexpr int kFewThreads = 64;  // where there are few rows

/// The largest tile that leaves every multiprocessor two blocks; half of that for two rows a
/// thread; else one row a thread and one subspace a block.
inline AssignConfig choose_assign(int64_t rows, int64_t subspaces, int width,
                                  int64_t multiprocessors) {
  const int slab = slab_subspaces(width);
  const auto shaped = [&](int thread_rows, int block_subspaces, int threads) {
    AssignConfig config{thread_rows, block_subspaces, threads};
    config.tiles = (rows + config.tile_rows() - 1) / config.tile_rows();
    config.slabs = (subspaces + block_subspaces - 1) / block_subspaces;
    return config;
  };
  AssignConfig config = shaped(most_rows(width), slab, assign_threads(slab));
  if (config.tiles * config.slabs < 2 * multiprocessors)
    config = shaped(2, slab, assign_threads(slab));
  if (config.tiles * config.slabs < multiprocessors) config = shaped(1, 1, kFewThreads);
  // A few waves of blocks: more would only load the codebook again.
  constexpr int64_t kWaves = 4, kThreadsOfMultiprocessor = 2048;
  const int64_t blocks = kWaves * multiprocessors * (kThreadsOfMultiprocessor / config.threads);
  config.tiles = std::min(config.tiles, std::max<int64_t>(1, blocks / config.slabs));
  return config;
}

}  // namespace mgqe

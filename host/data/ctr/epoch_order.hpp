// EpochOrder: the rows of an epoch in shuffled order, of which nothing is stored.
#pragma once

#include <cstdint>
#include <vector>

#include "host/base/sampling.hpp"

namespace mgqe {

/// A pure function of seed, epoch and place. Blocks are shuffled; so many of them as make up a
/// window, one behind the other in that order, are read together, and their rows are shuffled among
/// themselves. So what lies on disk is read block by block, each once an epoch. Where one window
/// holds all, every order of the rows is possible.
class EpochOrder {
 public:
  EpochOrder() = default;
  /// `window_rows` is rounded up to whole blocks.
  EpochOrder(int64_t rows, int64_t block_rows, int64_t window_rows, uint64_t seed, int64_t epoch);

  int64_t rows() const { return windows_.empty() ? 0 : windows_.back().end; }
  /// The row at place k of the epoch.
  int64_t row(int64_t k) const;

  int64_t windows() const { return static_cast<int64_t>(windows_.size()); }
  int64_t window_of(int64_t k) const;
  /// The blocks of a window.
  const int64_t* begin(int64_t window) const { return blocks_.data() + window * window_blocks_; }
  const int64_t* end(int64_t window) const;

 private:
  struct Window {
    int64_t begin, end;  // places of the epoch
    Permutation order;
  };

  int64_t block_rows_ = 1, window_blocks_ = 1;
  std::vector<int64_t> blocks_;  // in the epoch's order; a shorter one is the last of its window
  std::vector<Window> windows_;
};

}  // namespace mgqe

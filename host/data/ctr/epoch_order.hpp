// EpochOrder: the rows of an epoch in shuffled order, of which nothing is stored.
#pragma once

#include <cstdint>
#include <vector>

#include "host/base/sampling.hpp"

namespace mgqe {

/// How an epoch is cut: nothing here depends on the number of ranks.
struct EpochShape {
  int64_t rows = 0;
  int64_t block_rows = 1;   // that lie together on disk
  int64_t window_rows = 1;  // that are shuffled among themselves, rounded up to whole blocks
  int64_t batch = 1;        // places a step
};

/// A pure function of seed, epoch and place. Blocks are shuffled; so many of them as make up a
/// window, one behind the other in that order, are read together, each once an epoch.
///
/// Where one window holds all, its rows are shuffled, and every order of them is possible. Of
/// several windows each is parted into as many strips of rows as a batch has places, and a place of
/// the batch takes the rows of its strip in shuffled order, one a step: whoever has some places of
/// every batch reads that part of the data alone, and the batch has rows of all parts. What is left
/// of a window's rows, less than two batches at its ends, is shuffled among itself.
class EpochOrder {
 public:
  EpochOrder() = default;
  EpochOrder(const EpochShape& shape, uint64_t seed, int64_t epoch);

  int64_t rows() const { return shape_.rows; }
  /// The row at place k of the epoch.
  int64_t row(int64_t k) const;

  int64_t windows() const { return static_cast<int64_t>(windows_.size()); }
  int64_t window_of(int64_t k) const;
  /// The blocks of a window, those first that places [first, last) of its batches read, and those
  /// at its ends.
  std::vector<int64_t> blocks(int64_t window, int64_t first, int64_t last) const;

 private:
  struct Window {
    int64_t begin, end;   // places of the epoch
    int64_t first_block;  // in blocks_
    int64_t head = 0;     // rows before the first whole batch
    int64_t steps = 0;    // whole batches, and rows of a strip; none where it is not parted
    uint64_t key = 0;     // of its strips
    Permutation whole;    // where it is not parted
    Permutation head_order, tail_order;

    int64_t rows() const { return end - begin; }
  };
  Window parted(Window window) const;
  /// The row of the window's, one behind the other, that its k-th place has.
  int64_t within(const Window& window, int64_t k) const;

  EpochShape shape_;
  std::vector<int64_t> blocks_;  // in the epoch's order; a shorter one is the last of its window
  std::vector<Window> windows_;
};

}  // namespace mgqe

// Cuts of a catalogue into chunks, as evaluation makes them: the same counts must come of each.
#pragma once

#include <algorithm>
#include <vector>

#include "host/engine/ops/types.hpp"

namespace mgqe::testing {

struct Cut {
  const char* name;
  std::vector<ItemChunk> chunks;
};

/// Items [0, n) of a table whole, in chunks of `size`; of one sharded over ranks, each rank's.
inline std::vector<ItemChunk> chunks_of(int64_t n, int64_t size, int ranks = 1) {
  std::vector<ItemChunk> chunks;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const int64_t rows = (n - rank + ranks - 1) / ranks;
    for (int64_t first = 0; first < rows; first += size)
      chunks.push_back({first * ranks + rank, std::min(size, rows - first), ranks});
  }
  return chunks;
}

inline std::vector<Cut> cuts_of(int64_t n) {
  return {{"whole", chunks_of(n, n)},
          {"chunks of 7", chunks_of(n, 7)},
          {"chunks of 1", chunks_of(n, 1)},
          {"of 3 ranks", chunks_of(n, n, 3)},
          {"chunks of 5 of 2 ranks", chunks_of(n, 5, 2)}};
}

/// Rows (c, width) of a chunk from those of the catalogue (n, width).
inline std::vector<float> rows_of(const std::vector<float>& all, int64_t width,
                                  const ItemChunk& chunk) {
  std::vector<float> rows;
  for (int64_t r = 0; r < chunk.rows; ++r)
    rows.insert(rows.end(), all.begin() + chunk.item(r) * width,
                all.begin() + (chunk.item(r) + 1) * width);
  return rows;
}

/// Columns (M, c) of a chunk from scores (M, n).
inline std::vector<float> columns_of(const std::vector<float>& all, int64_t n,
                                     const ItemChunk& chunk) {
  std::vector<float> columns;
  for (int64_t m = 0; m < static_cast<int64_t>(all.size()) / n; ++m)
    for (int64_t r = 0; r < chunk.rows; ++r) columns.push_back(all[m * n + chunk.item(r)]);
  return columns;
}

}  // namespace mgqe::testing

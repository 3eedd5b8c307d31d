// How one decode call is run. Plain numbers, so that the choice can be printed and tested without a
// GPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "host/base/check.hpp"

namespace mgqe {

inline constexpr int kDecodeThreads = 512;
inline constexpr int kDecodeBlocks =
    2;  // a multiprocessor: each has its codebooks, and 64 registers
/// Rows a thread has on the way: it waits for ids, codes and centroids of all of them at once.
MGQE_HD constexpr int decode_rows_of(int pieces) { return pieces > 2 ? 2 : 4; }

struct DecodeShape {
  int64_t rows = 0;
  int64_t row_vectors = 0;     // d in vectors of 16 bytes; 0: not whole ones, or not aligned
  int vector_size = 0;         // elements
  int piece = 0;               // elements of a vector from one centroid
  int64_t centroids = 0;       // of all codebooks
  int64_t codebook_bytes = 0;  // in the type of the rows
};

struct DecodeDevice {
  int64_t multiprocessors = 0;
  int64_t shared_bytes = 0;  // that a block may have
};

struct DecodeConfig {
  int piece = 0;        // 0: the kernel for any shape
  bool staged = false;  // codebooks in shared memory
  int64_t shared_bytes = 0;
  int64_t blocks = 0;

  bool operator==(const DecodeConfig&) const = default;
};

inline std::string describe(const DecodeConfig& config) {
  return detail::concat(config.piece, " elements a piece, ", config.blocks, " blocks, ",
                        config.staged ? "staged in " : "not staged, ", config.shared_bytes,
                        " bytes of shared memory");
}

/// Codebooks are staged where they fit and each block writes several rows for every centroid that
/// it loads.
inline DecodeConfig choose_decode(const DecodeShape& shape, const DecodeDevice& device) {
  constexpr int64_t kWarp = 32, kWaves = 8, kRowsPerCentroid = 4;
  const int64_t resident = kDecodeBlocks * device.multiprocessors;
  const auto blocks = [&](int64_t block_rows, int64_t most) {
    return std::clamp<int64_t>((shape.rows + block_rows - 1) / block_rows, 1, most);
  };
  if (shape.row_vectors == 0 || shape.row_vectors > kDecodeThreads)
    return {0, false, 0, blocks(kDecodeThreads / kWarp, kWaves * resident)};
  const int64_t block_rows =
      decode_rows_of(shape.vector_size / shape.piece) * (kDecodeThreads / shape.row_vectors);
  if (shape.codebook_bytes <= device.shared_bytes &&
      shape.rows >= kRowsPerCentroid * shape.centroids * resident)
    return {shape.piece, true, shape.codebook_bytes, blocks(block_rows, resident)};
  return {shape.piece, false, 0, blocks(block_rows, kWaves * resident)};
}

}  // namespace mgqe

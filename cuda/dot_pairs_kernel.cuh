// Dot products of every two of a row's vectors, and their gradients: a block takes a few rows into
// shared memory, and a thread a tile of the products in registers. Rows that do not fit are read
// where they lie.
#pragma once

#include "cuda/primitives.cuh"

namespace mgqe {

inline constexpr int kPairThreads = 128;
/// Blocks a multiprocessor must hold: leaves 64 registers a thread, so that nothing spills.
inline constexpr int kPairBlocks = 8;
inline constexpr int kPairTile = 4;  // vectors, on both sides of a tile of products

/// How rows of V vectors lie in shared memory.
struct PairRows {
  int vectors, dim;

  MGQE_HD int groups() const { return (vectors + kPairTile - 1) / kPairTile; }
  /// Tiles on and below the diagonal.
  MGQE_HD int tiles() const { return groups() * (groups() + 1) / 2; }
  /// Between vectors: odd, so that those of eight groups lie in different banks.
  MGQE_HD int stride() const { return dim | 1; }
  MGQE_HD int64_t floats() const { return static_cast<int64_t>(vectors) * stride(); }
  /// Of a row of the backward: its vectors, and the symmetric gradients of their products, whose
  /// columns are padded to whole groups.
  MGQE_HD int square_cols() const { return groups() * kPairTile; }
  MGQE_HD int64_t square_begin() const {
    return (static_cast<int64_t>(vectors) * dim + kPairTile - 1) / kPairTile * kPairTile;
  }
  MGQE_HD int64_t backward_floats() const {
    return square_begin() + static_cast<int64_t>(vectors) * square_cols();
  }
};

/// The products of groups `i` and `j` of one row's vectors, `stride` apart, that lie below the
/// diagonal.
__device__ inline void multiply_pair_tile(const PairRows& shape, const float* vectors, int stride,
                                          int i, int j, float* products) {
  int a[kPairTile], b[kPairTile];  // places; beyond the last vector its own, and not stored
  MGQE_UNROLL
  for (int k = 0; k < kPairTile; ++k) {
    const int row = i * kPairTile + k, col = j * kPairTile + k, last = shape.vectors - 1;
    a[k] = (row < last ? row : last) * stride;
    b[k] = (col < last ? col : last) * stride;
  }
  float sums[kPairTile][kPairTile] = {};
  for (int c = 0; c < shape.dim; ++c) {
    float x[kPairTile], y[kPairTile];
    MGQE_UNROLL
    for (int k = 0; k < kPairTile; ++k) {
      x[k] = vectors[a[k] + c];
      y[k] = vectors[b[k] + c];
    }
    MGQE_UNROLL
    for (int k = 0; k < kPairTile; ++k) {
      MGQE_UNROLL
      for (int l = 0; l < kPairTile; ++l) sums[k][l] = fmaf(x[k], y[l], sums[k][l]);
    }
  }
  MGQE_UNROLL
  for (int k = 0; k < kPairTile; ++k) {
    const int row = i * kPairTile + k;
    MGQE_UNROLL
    for (int l = 0; l < kPairTile; ++l) {
      const int col = j * kPairTile + l;
      if (row < shape.vectors && col < row) products[row * (row - 1) / 2 + col] = sums[k][l];
    }
  }
}

/// x (B, V dim), out (B, V (V - 1) / 2 or more). Dynamic shared memory: rows_per_block *
/// shape.floats() floats.
__global__ void __launch_bounds__(kPairThreads, kPairBlocks)
    dot_pairs_kernel(View<const float> x, PairRows shape, int rows_per_block, View<float> out) {
  MGQE_DYNAMIC_SHARED(float, shared);
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  const int columns = shape.vectors * shape.dim;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * rows_per_block; first < x.rows;
       first += static_cast<int64_t>(gridDim.x) * rows_per_block) {
    const int64_t left = x.rows - first;
    const int rows = static_cast<int>(left < rows_per_block ? left : rows_per_block);
    for (int k = thread; k < rows * columns; k += threads) {
      const int vector = k / shape.dim, c = k % shape.dim;  // over the rows together
      shared[vector * shape.stride() + c] = x.row(first)[k];
    }
    __syncthreads();
    for (int item = thread; item < rows * shape.tiles(); item += threads) {
      const int row = item / shape.tiles();
      int i = 0, j = item % shape.tiles();
      while (j > i) j -= ++i;
      multiply_pair_tile(shape, shared + row * shape.floats(), shape.stride(), i, j,
                         out.row(first + row));
    }
    __syncthreads();
  }
}

/// The same, of rows that are read where they lie: a thread a tile.
__global__ void __launch_bounds__(kPairThreads, kPairBlocks)
    dot_long_pairs_kernel(View<const float> x, PairRows shape, View<float> out) {
  const int64_t tiles = shape.tiles();
  for (int64_t item = grid_thread(); item < x.rows * tiles; item += grid_threads()) {
    const int64_t row = item / tiles;
    int i = 0, j = static_cast<int>(item % tiles);
    while (j > i) j -= ++i;
    multiply_pair_tile(shape, x.row(row), shape.dim, i, j, out.row(row));
  }
}

/// x_gradient (B, V dim) of out_gradient (B, V (V - 1) / 2 or more). A thread has one column of a
/// group of vectors. Dynamic shared memory: rows_per_block * shape.backward_floats() floats.
__global__ void __launch_bounds__(kPairThreads, kPairBlocks)
    dot_pairs_backward_kernel(View<const float> x, PairRows shape, int rows_per_block,
                              View<const float> out_gradient, View<float> x_gradient) {
  MGQE_DYNAMIC_SHARED(float, shared);
  const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  const int columns = shape.vectors * shape.dim;
  const int size = static_cast<int>(shape.backward_floats());
  const int begin = static_cast<int>(shape.square_begin()), square_cols = shape.square_cols();
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * rows_per_block; first < x.rows;
       first += static_cast<int64_t>(gridDim.x) * rows_per_block) {
    const int64_t left = x.rows - first;
    const int rows = static_cast<int>(left < rows_per_block ? left : rows_per_block);
    for (int k = thread; k < rows * columns; k += threads)
      shared[k / columns * size + k % columns] = x.row(first)[k];
    for (int k = thread; k < rows * shape.vectors * square_cols; k += threads) {
      const int row = k / (shape.vectors * square_cols), place = k % (shape.vectors * square_cols);
      const int j = place / square_cols, v = place % square_cols;
      const int high = j > v ? j : v, low = j > v ? v : j;
      shared[row * size + begin + place] =
          j == v || v >= shape.vectors ? 0.0f
                                       : out_gradient.row(first + row)[high * (high - 1) / 2 + low];
    }
    __syncthreads();
    const int items = shape.groups() * shape.dim;
    for (int item = thread; item < rows * items; item += threads) {
      const int row = item / items, v = item % items / shape.dim * kPairTile, c = item % shape.dim;
      const float* const vectors = shared + row * size;
      const float* const square = vectors + begin + v;
      float sums[kPairTile] = {};
      for (int j = 0; j < shape.vectors; ++j) {
        const auto gradients =
            *reinterpret_cast<const FloatVector<kPairTile>*>(square + j * square_cols);
        const float component = vectors[j * shape.dim + c];
        MGQE_UNROLL
        for (int k = 0; k < kPairTile; ++k) sums[k] = fmaf(gradients.x[k], component, sums[k]);
      }
      MGQE_UNROLL
      for (int k = 0; k < kPairTile; ++k)
        if (v + k < shape.vectors) x_gradient.row(first + row)[(v + k) * shape.dim + c] = sums[k];
    }
    __syncthreads();
  }
}

/// The same, of rows that are read where they lie: a thread an element.
__global__ void __launch_bounds__(kPairThreads, kPairBlocks)
    dot_long_pairs_backward_kernel(View<const float> x, PairRows shape,
                                   View<const float> out_gradient, View<float> x_gradient) {
  const int64_t columns = static_cast<int64_t>(shape.vectors) * shape.dim;
  for (int64_t item = grid_thread(); item < x.rows * columns; item += grid_threads()) {
    const int64_t row = item / columns, place = item % columns;
    const int v = static_cast<int>(place / shape.dim), c = static_cast<int>(place % shape.dim);
    const float* const vectors = x.row(row) + c;
    const float* const gradients = out_gradient.row(row);
    float sum = 0.0f;
    for (int j = 0; j < shape.vectors; ++j) {
      if (j == v) continue;
      const int64_t high = j > v ? j : v, low = j > v ? v : j;
      sum = fmaf(gradients[high * (high - 1) / 2 + low],
                 vectors[static_cast<int64_t>(j) * shape.dim], sum);
    }
    x_gradient.row(row)[place] = sum;
  }
}

}  // namespace mgqe

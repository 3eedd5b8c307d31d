// Dot products of every two of a row's V vectors, and their gradients: rows in shared memory, 4 x 4
// products a thread, so that a value that is read takes part in four.
//
// Bytes a row: 4 V d + 2 V (V - 1) forward, 8 V d + 2 V (V - 1) backward; V (V - 1) d and 2 V^2 d
// flops. Rows that do not fit into shared memory are read where they lie.
//
// Weighed and left: a batched product of matrices (all of X X^T is written and read again to keep
// less than half of it); tensor cores (f32 products are not theirs).
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/dot_pairs_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMostShared = 48 * 1024;   // without a driver's leave
constexpr int64_t kUsualShared = 16 * 1024;  // of several rows: blocks enough share it
constexpr int64_t kMostRows = 32;

/// Rows of a block, or 0 where not even one fits.
int rows_per_block(int64_t row_floats) {
  const int64_t bytes = row_floats * static_cast<int64_t>(sizeof(float));
  if (bytes > kMostShared) return 0;
  return static_cast<int>(std::clamp<int64_t>(kUsualShared / bytes, 1, kMostRows));
}

}  // namespace

void CudaBackend::dot_pairs(View<const float> x, int64_t dim, View<float> out) {
  const PairRows shape{static_cast<int>(x.cols / dim), static_cast<int>(dim)};
  const int rows = rows_per_block(shape.floats());
  if (x.rows == 0) return;
  if (rows == 0) {
    const unsigned grid =
        grid_for(x.rows * shape.tiles(), kPairThreads, resident_blocks(kPairThreads));
    MGQE_LAUNCH(dot_long_pairs_kernel, grid, kPairThreads, 0, stream(), x, shape, out);
    return;
  }
  const size_t shared = sizeof(float) * static_cast<size_t>(rows * shape.floats());
  MGQE_LAUNCH(dot_pairs_kernel, grid_for(x.rows, rows, resident_blocks(kPairThreads)), kPairThreads,
              shared, stream(), x, shape, rows, out);
}

void CudaBackend::dot_pairs_backward(View<const float> x, int64_t dim,
                                     View<const float> out_gradient, View<float> x_gradient) {
  const PairRows shape{static_cast<int>(x.cols / dim), static_cast<int>(dim)};
  const int rows = rows_per_block(shape.backward_floats());
  if (x.rows == 0) return;
  if (rows == 0) {
    const unsigned grid = grid_for(x.size(), kPairThreads, resident_blocks(kPairThreads));
    MGQE_LAUNCH(dot_long_pairs_backward_kernel, grid, kPairThreads, 0, stream(), x, shape,
                out_gradient, x_gradient);
    return;
  }
  const size_t shared = sizeof(float) * static_cast<size_t>(rows * shape.backward_floats());
  MGQE_LAUNCH(dot_pairs_backward_kernel, grid_for(x.rows, rows, resident_blocks(kPairThreads)),
              kPairThreads, shared, stream(), x, shape, rows, out_gradient, x_gradient);
}

}  // namespace mgqe

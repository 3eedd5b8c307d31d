// Row optimizers: a warp per distinct row sums the row's look-up gradients in look-up order and
// updates the row in the same pass.
//
// Bytes: 4d a look-up (its gradient) + 24d a distinct row (parameter and two moments, read and
// written); 1 flop a look-up element, about 15 an element of a row. Any d, any B; blocks past the
// distinct count leave at once.
//
// Weighed and left: atomics on the table gradient (order changes from run to run), a CTA per row
// (idle for the many rows with one look-up). A row with very many look-ups keeps one warp busy for
// all of them: correct, but the longest of a large skewed batch; equal chunks of sorted positions a
// warp, with edge partials summed in order, would balance it.
#include "cuda/cuda_backend.cuh"
#include "cuda/optimizer_kernel.cuh"

namespace mgqe {
namespace {

constexpr int kRowsPerBlock = kRowThreads / kWarpSize;

}  // namespace

void CudaBackend::sparse_adam(View<float> table, const UniqueIds& unique,
                              View<const float> gradient, Moments moments, AdamOptions options,
                              View<const StepState> state) {
  if (unique.ids.rows == 0) return;
  const unsigned grid = grid_for(unique.ids.rows, kRowsPerBlock, resident_blocks(kRowThreads));
  MGQE_LAUNCH(sparse_adam_kernel, grid, kRowThreads, 0, stream(), table, unique, gradient, moments,
              options, state);
}

void CudaBackend::sum_gradients(const UniqueIds& unique, View<const float> gradient,
                                View<float> table_gradient) {
  if (unique.ids.rows == 0) return;
  const unsigned grid = grid_for(unique.ids.rows, kRowsPerBlock, resident_blocks(kRowThreads));
  MGQE_LAUNCH(sum_gradients_kernel, grid, kRowThreads, 0, stream(), unique, gradient,
              table_gradient);
}

}  // namespace mgqe

// Dot products of rows of x with looked-up rows of y, and their gradients: a warp a row, so that
// both are read in whole sectors.
//
// Bytes a row: 8d + 8 forward, 16d + 8 backward (20d + 8 with accumulate); 2d and 2d flops.
// sampled_loss: both dots, their losses and all gradients of a token in one pass, 24d + 16 bytes
// where op by op they are 52d. Any d, any number of rows.
//
// Weighed and left: a thread a row (every load of a warp then touches 32 rows).
#include "cuda/cuda_backend.cuh"
#include "cuda/row_dots_kernel.cuh"

namespace mgqe {

void CudaBackend::row_dots(View<const float> x, Lookup y, View<float> out) {
  if (out.size() == 0) return;
  const unsigned grid =
      grid_for(x.rows, kRowDotThreads / kWarpSize, resident_blocks(kRowDotThreads));
  MGQE_LAUNCH(row_dots_kernel, grid, kRowDotThreads, 0, stream(), x, y, out);
}

void CudaBackend::row_dots_backward(View<const float> x, Lookup y, View<const float> out_gradient,
                                    View<float> x_gradient, bool accumulate,
                                    View<float> y_gradient) {
  if (out_gradient.size() == 0) return;
  const unsigned grid =
      grid_for(x.rows, kRowDotThreads / kWarpSize, resident_blocks(kRowDotThreads));
  MGQE_LAUNCH(row_dots_backward_kernel, grid, kRowDotThreads, 0, stream(), x, y, out_gradient,
              x_gradient, accumulate, y_gradient);
}

void CudaBackend::sampled_loss(const SampledLoss& tokens, View<double> loss_sum) {
  const int64_t count = tokens.x.rows;
  if (count == 0) return;
  const auto [losses, partials] =
      workspace().take<float, double>(stream(), 2 * count, kAccumulateBlocks);
  const unsigned grid =
      grid_for(count, kRowDotThreads / kWarpSize, resident_blocks(kRowDotThreads));
  MGQE_LAUNCH(sampled_loss_kernel, grid, kRowDotThreads, 0, stream(), tokens, losses);
  accumulate(View<const float>(losses, 2 * count), partials, loss_sum);
}

}  // namespace mgqe

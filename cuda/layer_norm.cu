// Layer normalisation of rows, forward and backward: a warp a row.
//
// Bytes a row: 8d + 8 forward, 12d + 8 backward (16d + 8 with accumulate); about 8d and 17d flops.
// Any d, any number of rows. Rows of up to 128 are read once and kept in registers; longer ones are
// read again, from L1 or L2: twice more forward, three times more backward. The gradients of gain
// and bias are summed by chunks of rows, whose length depends on the number of rows alone, and the
// chunks in order.
//
// Weighed and left: Welford's running variance (a division an element, and a row fits in registers
// anyway); atomics for gain and bias (no fixed order); a kernel of its own for their sums (reads
// both arrays twice where one pass has them in registers).
#include <algorithm>
#include <array>

#include "cuda/cuda_backend.cuh"
#include "cuda/layer_norm_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kRegisterWidth = kLayerNormRegisters * kWarpSize;
constexpr int64_t kMinRows = 32;  // of a chunk: four a warp
constexpr int64_t kMaxChunks = 512;

}  // namespace

void CudaBackend::layer_norm(View<const float> x, View<const float> gain, View<const float> bias,
                             float epsilon, View<float> out, View<float> stats) {
  if (x.size() == 0) return;
  const auto kernel =
      x.cols <= kRegisterWidth ? layer_norm_kernel<kLayerNormRegisters> : layer_norm_kernel<0>;
  const unsigned grid = grid_for(x.rows, kLayerNormWarps, resident_blocks(kLayerNormThreads));
  MGQE_LAUNCH(kernel, grid, kLayerNormThreads, 0, stream(), x, gain, bias, epsilon, out, stats);
}

void CudaBackend::layer_norm_backward(View<const float> x, View<const float> gain,
                                      View<const float> stats, View<const float> out_gradient,
                                      View<float> x_gradient, bool accumulate,
                                      View<float> gain_gradient, View<float> bias_gradient) {
  const int64_t rows_per_chunk = std::max(kMinRows, (x.rows + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (x.rows + rows_per_chunk - 1) / rows_per_chunk;
  const auto [partials] = workspace().take<float>(stream(), 2 * chunks * x.cols);
  if (chunks > 0) {
    const auto kernel = x.cols <= kRegisterWidth ? layer_norm_backward_kernel<kLayerNormRegisters>
                                                 : layer_norm_backward_any_kernel;
    MGQE_LAUNCH(kernel, static_cast<unsigned>(chunks), kLayerNormThreads, 0, stream(),
                LayerNormBackwardArguments{x, gain, stats, out_gradient, x_gradient, accumulate,
                                           rows_per_chunk, partials});
  }
  sum_chunks(partials, ChunkCount{chunks}, std::array{gain_gradient, bias_gradient});
}

}  // namespace mgqe

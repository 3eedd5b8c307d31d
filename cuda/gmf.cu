// GMF forward and backward. Forward: a warp per look-up. Backward: a block per chunk of look-ups
// and 32 columns writes the look-ups' gradients and sums the weight gradient of its chunk in order;
// the chunks are summed in order afterwards.
//
// Bytes a look-up: 8d + 12 forward, 16d + 12 backward; 3d and 6d flops. Any d, any B. The chunk
// length depends on B alone.
//
// Weighed and left: atomics for the weight gradient (no fixed order); one kernel for forward, loss
// and backward (the op boundary is the model's, and a captured graph makes launches cheap).
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/gmf_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMinLookups = 16;  // four a warp
constexpr int64_t kMaxChunks = 2048;

}  // namespace

void CudaBackend::gmf_forward(Lookup users, Lookup items, View<const float> weights,
                              View<float> logits) {
  if (logits.size() == 0) return;
  const unsigned grid =
      grid_for(logits.size(), kGmfThreads / kWarpSize, resident_blocks(kGmfThreads));
  MGQE_LAUNCH(gmf_forward_kernel, grid, kGmfThreads, 0, stream(), users, items, weights, logits);
}

void CudaBackend::gmf_backward(Lookup users, Lookup items, View<const float> weights,
                               View<const float> logit_gradient, View<float> user_gradient,
                               View<float> item_gradient, View<float> weight_gradient) {
  const int64_t lookups = logit_gradient.size();
  const int64_t per_chunk = std::max(kMinLookups, (lookups + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (lookups + per_chunk - 1) / per_chunk;
  const auto [partials] = workspace().take<float>(stream(), chunks * weight_gradient.size());
  if (chunks > 0) {
    const dim3 grid(static_cast<unsigned>(chunks),
                    static_cast<unsigned>((weight_gradient.size() + kWarpSize - 1) / kWarpSize));
    MGQE_LAUNCH(gmf_backward_kernel, grid, kGmfThreads, 0, stream(), users, items, weights,
                logit_gradient, per_chunk, GmfGradients{user_gradient, item_gradient, partials});
  }
  sum_chunks(partials, ChunkCount{chunks}, weight_gradient);
}

}  // namespace mgqe

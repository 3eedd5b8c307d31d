// Backward of the softmax quantizer (DPQ-SX), without a [B, D, K] tensor and without float atomics.
//
// A warp per (row, subspace) computes the K scores, their softmax and the row's gradient, and
// leaves three floats of statistics. Then a thread per centroid walks a chunk of rows, computes its
// own score again from those statistics, and sums its gradients by key, offset and value in
// registers, rows in order; the chunks are summed in order. 8 K d flops a row for the queries, as
// many for the codebooks; (8 d + 12 D) bytes a row beside the codebooks, which stay in L2, and
// 16 K d bytes a chunk. K up to 256, any d and w. The chunk length depends on the number of rows
// alone, so the same batch gives the same bits on every GPU.
//
// Weighed and left: storing the probabilities (K times the bytes of a row); float atomics into the
// codebooks (no fixed order). Not tried: centroids of a subspace in shared memory, as assign does.
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/softmax_quantize_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMinRows = 32;  // a chunk must pay for writing its tables
constexpr int64_t kMaxChunks = 64;

template <int kColumns>
void launch_codebooks(const SoftmaxRows& rows, const SoftmaxKeys& keys, View<const float> values,
                      const SoftmaxStatistics* statistics, ChunkCount chunks,
                      const SoftmaxPartials& partials, cudaStream_t stream) {
  const int64_t subspaces = rows.codes.cols, width = values.cols / subspaces;
  const dim3 grid(static_cast<unsigned>(chunks.chunks),
                  static_cast<unsigned>(subspaces * ((width + kColumns - 1) / kColumns)));
  const auto kernel = softmax_codebook_gradient_kernel<kColumns>;
  MGQE_LAUNCH(kernel, grid, kSoftmaxCodebookThreads, 0, stream, rows, keys, values, statistics,
              chunks, partials);
}

}  // namespace

void CudaBackend::softmax_backward(const SoftmaxRows& rows, const SoftmaxKeys& keys,
                                   View<const float> values, const SoftmaxGradients& gradients) {
  const int64_t capacity = rows.rows.capacity, subspaces = rows.codes.cols;
  const int64_t width = values.cols / subspaces;
  MGQE_CHECK(width * subspaces == values.cols && values.rows <= kMaxCentroids, values.cols,
             " dimensions, ", subspaces, " subspaces, ", values.rows, " centroids");
  // Without a count on the device the rows are as many as there is room for.
  const int64_t per_chunk = rows.rows.count != nullptr
                                ? kMinRows
                                : std::max(kMinRows, (capacity + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = std::min(kMaxChunks, (capacity + per_chunk - 1) / per_chunk);
  const ChunkCount live{chunks, rows.rows.count, per_chunk, kMaxChunks};
  const auto [statistics, by_keys, by_offsets, by_values] =
      workspace().take<SoftmaxStatistics, float, float, float>(
          stream(), capacity * subspaces, chunks * values.size(), chunks * keys.offsets.size(),
          chunks * values.size());
  if (chunks > 0) {
    constexpr int64_t kWarps = kSoftmaxThreads / kWarpSize;
    const unsigned grid = grid_for(capacity * subspaces, kWarps, resident_blocks(kSoftmaxThreads));
    MGQE_LAUNCH(softmax_query_gradient_kernel, grid, kSoftmaxThreads, 0, stream(), rows, keys,
                values, gradients.queries, statistics);
    const auto launch = width <= 4 ? launch_codebooks<4> : launch_codebooks<16>;
    launch(rows, keys, values, statistics, live, {by_keys, by_offsets, by_values}, stream());
  }
  sum_chunks(by_keys, live, gradients.keys);
  sum_chunks(by_offsets, live, gradients.offsets);
  sum_chunks(by_values, live, gradients.values);
}

}  // namespace mgqe

// Codebook gradient without float atomics: distinct rows are cut into chunks; a block sums one
// chunk into a (K, 32 columns) table in shared memory where each thread owns a column, so rows add
// in order; the chunks' tables are then summed in order.
//
// Bytes: (8d + 8 + D) a distinct row + 8 K d a chunk (written once, read once); 3d flops a row.
// K up to 256, any d (32 columns a block: the table is at most 32 KB), any B. The chunk length
// follows the number of distinct rows, which kernels read from device memory: a skewed batch (0.22
// B distinct ids under Zipf(1)) still fills every chunk, and gives the same bits on every GPU.
//
// Weighed and left: shared float atomics (a compare-and-swap loop on sm_90, and no fixed order); a
// thread per (centroid, column) that scans all codes (K times the code bytes); accumulating in the
// assign kernel while e is in registers (a row's tile and its table rarely fit one block together).
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/quantize_backward_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMinRows = 32;  // a chunk must pay for writing its table
constexpr int64_t kMaxChunks = 256;

}  // namespace

void CudaBackend::codebook_gradient(View<const float> queries, const UniqueIds& unique,
                                    const Tiers& tiers, View<const uint8_t> codes,
                                    View<const float> codebook, float scale, View<float> gradient) {
  const int64_t lookups = unique.ids.rows, d = codebook.cols;
  MGQE_CHECK(codebook.rows <= kMaxCentroids, codebook.rows, " centroids");
  const int64_t chunks = std::min(kMaxChunks, (lookups + kMinRows - 1) / kMinRows);
  const ChunkCount live{chunks, unique.count.data, kMinRows, kMaxChunks};
  const auto [partials] = workspace().take<float>(stream(), chunks * gradient.size());
  if (chunks > 0) {
    const dim3 grid(static_cast<unsigned>(chunks),
                    static_cast<unsigned>((d + kSlabColumns - 1) / kSlabColumns));
    MGQE_LAUNCH(codebook_gradient_kernel, grid, kSlabColumns,
                codebook_gradient_shared_bytes(codebook.rows), stream(), queries, unique, tiers,
                codes, codebook, scale, live, partials);
  }
  sum_chunks(partials, live, gradient);
}

}  // namespace mgqe

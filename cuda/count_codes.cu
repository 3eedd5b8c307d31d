// How often each code of each subspace is chosen: what tier reports are made of.
//
// A block counts one subspace over a slice of rows in shared memory and adds what it found to the
// D K counts. Bytes: m D of codes, read by sectors that the blocks of other subspaces find in the
// second-level cache, and 4 D K a slice; no flops. Any m and D, K up to 256.
//
// Weighed and left: one block for all subspaces (D K counts in shared memory: 64 KB at D = 64), and
// codes on their way to the host (m D bytes over the bus for D K counts).
#include "cuda/count_codes_kernel.cuh"
#include "cuda/cuda_backend.cuh"

namespace mgqe {

void CudaBackend::count_codes(View<const uint8_t> codes, View<int32_t> counts) {
  constexpr int64_t kRowsPerThread = 16;  // before another block pays for its counts
  if (codes.size() == 0) return;
  MGQE_CHECK(counts.rows == codes.cols && counts.cols <= kMaxCentroids, "counts (", counts.rows,
             ", ", counts.cols, ") of ", codes.cols, " subspaces");
  const dim3 grid(
      grid_for(codes.rows, kCountThreads * kRowsPerThread, resident_blocks(kCountThreads)),
      static_cast<unsigned>(codes.cols));
  MGQE_LAUNCH(count_codes_kernel, grid, kCountThreads, 0, stream(), codes, counts);
}

}  // namespace mgqe

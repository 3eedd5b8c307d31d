// Moments of a batch's rows, from which those of DPQ-SX's responses are made: a warp a sum.
//
// Bytes: the U distinct rows once for each of w + 2 sums of a component, 4 U d (w + 2), nearly all
// from L1 and L2; the sums in double. Lanes take rows in turn and are added by a butterfly: one
// order, whatever the GPU. Any shapes.
//
// Weighed and left: the moments of the responses themselves, K times the work.
#include "cuda/cuda_backend.cuh"
#include "cuda/row_moments_kernel.cuh"

namespace mgqe {

void CudaBackend::row_moments(View<const float> queries, const UniqueIds& unique,
                              View<double> sums) {
  if (sums.size() == 0) return;
  const unsigned grid =
      grid_for(sums.size(), kRowMomentThreads / kWarpSize, resident_blocks(kRowMomentThreads));
  MGQE_LAUNCH(row_moments_kernel, grid, kRowMomentThreads, 0, stream(),
              RowMoments{queries, unique, sums});
}

}  // namespace mgqe

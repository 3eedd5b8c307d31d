// Moments of the distances that a normalized search compares: a warp a centroid and subspace.
//
// Bytes: the U distinct rows once for every centroid, K U 4d, nearly all from L1 and L2, where the
// warps of a block read the same rows; 3 K d U flops, the sums in double. Lanes take rows in turn
// and are added by a butterfly: one order, whatever the GPU. Any shapes.
//
// Weighed and left: a thread a centroid and subspace (at K = 256, D = 8 that is 2,048 threads, each
// of them over every row); chunks of rows and a second launch to add them (K D warps fill a GPU
// already); atomics (no fixed order).
#include "cuda/cuda_backend.cuh"
#include "cuda/distance_sums_kernel.cuh"

namespace mgqe {

void CudaBackend::distance_sums(View<const float> queries, const UniqueIds& unique,
                                const Tiers& tiers, View<const float> codebook,
                                View<double> partials) {
  if (partials.rows == 0) return;
  const unsigned grid =
      grid_for(partials.rows, kDistanceThreads / kWarpSize, resident_blocks(kDistanceThreads));
  MGQE_LAUNCH(distance_sums_kernel, grid, kDistanceThreads, 0, stream(),
              PartialDistanceMoments{queries, unique, tiers, codebook, partials});
}

}  // namespace mgqe

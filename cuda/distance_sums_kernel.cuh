// Sums of the squared distances from a batch's rows to every centroid, and of their squares.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/functors/quantizer_functors.hpp"

namespace mgqe {

inline constexpr int kDistanceThreads = 128;
/// Blocks a multiprocessor must hold: leaves 64 registers a thread, so that nothing spills.
inline constexpr int kDistanceBlocks = 8;

/// A warp an element (k, j) of the partials, a lane every 32nd row.
__global__ void __launch_bounds__(kDistanceThreads, kDistanceBlocks)
    distance_sums_kernel(PartialDistanceMoments partial) {
  const int32_t rows = partial.unique.count[0];
  for (int64_t i = grid_warp(); i < partial.partials.rows; i += grid_warps()) {
    DistanceMoments moments;
    for (int32_t u = lane_index(); u < rows; u += kWarpSize) partial.add(i, u, moments);
    moments.lookups = warp_sum(moments.lookups);
    moments.sum = warp_sum(moments.sum);
    moments.squares = warp_sum(moments.squares);
    if (lane_index() == 0) partial.store(i, moments);
  }
}

}  // namespace mgqe

// Counts, for each user, the scores of a row that beat or tie its positive's. Counts are integers,
// so atomics keep runs bitwise the same. A score that does not compare (NaN) counts as greater.
#pragma once

#include "cuda/standing.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kScoreThreads = 256;

/// counts (M) = minus what count_scores_kernel will count too much: the positive and every excluded
/// item but the positive. A warp per user.
__global__ void __launch_bounds__(kScoreThreads)
    begin_score_counts_kernel(View<const float> scores, View<const int32_t> positives,
                              Histories excluded, RankCounts counts) {
  for (int64_t m = grid_warp(); m < scores.rows; m += grid_warps()) {
    const float* row = scores.row(m);
    const int32_t positive = positives[m];
    const int32_t* items = excluded.begin(m);
    Standing taken;
    if (lane_index() == 0) taken.add(row[positive], row[positive]);
    for (int64_t i = lane_index(); i < excluded.length(m); i += kWarpSize)
      if (items[i] != positive) taken.add(row[items[i]], row[positive]);
    taken.greater = warp_sum(taken.greater);
    taken.ties = warp_sum(taken.ties);
    if (lane_index() == 0) {
      counts.greater[m] = -taken.greater;
      counts.ties[m] = -taken.ties;
    }
  }
}

/// Adds the counts over all n scores. Blocks (slice, user), repeated down both.
__global__ void __launch_bounds__(kScoreThreads)
    count_scores_kernel(View<const float> scores, View<const int32_t> positives,
                        RankCounts counts) {
  for (int64_t m = blockIdx.y; m < scores.rows; m += gridDim.y) {
    const float* row = scores.row(m);
    const float positive = row[positives[m]];
    Standing slice;
    for (int64_t i = grid_thread(); i < scores.cols; i += grid_threads())
      slice.add(row[i], positive);
    const int greater = block_sum<kScoreThreads>(slice.greater);
    const int ties = block_sum<kScoreThreads>(slice.ties);
    if (threadIdx.x != 0) continue;
    atomicAdd(&counts.greater[m], greater);
    atomicAdd(&counts.ties[m], ties);
  }
}

/// Counts over row m of candidates (M, C), -1 standing for none. A warp per user.
__global__ void __launch_bounds__(kScoreThreads)
    count_candidate_scores_kernel(View<const float> scores, View<const int32_t> positives,
                                  View<const int32_t> candidates, RankCounts counts) {
  for (int64_t m = grid_warp(); m < scores.rows; m += grid_warps()) {
    const float* row = scores.row(m);
    const int32_t* items = candidates.row(m);
    const float positive = row[positives[m]];
    Standing found;
    for (int64_t i = lane_index(); i < candidates.cols; i += kWarpSize)
      if (items[i] >= 0) found.add(row[items[i]], positive);
    found.greater = warp_sum(found.greater);
    found.ties = warp_sum(found.ties);
    if (lane_index() == 0) {
      counts.greater[m] = found.greater;
      counts.ties[m] = found.ties;
    }
  }
}

}  // namespace mgqe

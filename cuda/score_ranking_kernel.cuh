// Counts, for each user, the scores of a row that beat or tie its positive's. Counts are integers,
// so atomics keep runs bitwise the same. A score that does not compare (NaN) counts as greater.
#pragma once

#include "cuda/standing.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kScoreThreads = 256;
/// Blocks a multiprocessor must hold: leaves 64 registers a thread, so that nothing spills.
inline constexpr int kScoreBlocks = 4;

/// counts (M) less what count_scores_kernel counts too much: the positive and every excluded item
/// but the positive, as far as they are in the chunk. A warp per user.
__global__ void __launch_bounds__(kScoreThreads, kScoreBlocks)
    take_back_scores_kernel(ScoreQuery query, Histories excluded, RankCounts counts) {
  for (int64_t m = grid_warp(); m < query.scores.rows; m += grid_warps()) {
    const float* row = query.scores.row(m);
    const int32_t positive = query.positives.items[m];
    const float positive_score = query.positives.scores[m];
    const int32_t* items = excluded.begin(m);
    Standing taken;
    if (lane_index() == 0 && query.chunk.place(positive) >= 0)
      taken.add(positive_score, positive_score);
    for (int64_t i = lane_index(); i < excluded.length(m); i += kWarpSize) {
      const int64_t place = query.chunk.place(items[i]);
      if (place >= 0 && items[i] != positive) taken.add(row[place], positive_score);
    }
    taken.greater = warp_sum(taken.greater);
    taken.ties = warp_sum(taken.ties);
    if (lane_index() == 0) {
      counts.greater[m] -= taken.greater;
      counts.ties[m] -= taken.ties;
    }
  }
}

/// Adds the counts over all scores of the chunk. Blocks (slice, user), repeated down both.
__global__ void __launch_bounds__(kScoreThreads, kScoreBlocks)
    count_scores_kernel(ScoreQuery query, RankCounts counts) {
  for (int64_t m = blockIdx.y; m < query.scores.rows; m += gridDim.y) {
    const float* row = query.scores.row(m);
    const float positive = query.positives.scores[m];
    Standing slice;
    for (int64_t i = grid_thread(); i < query.scores.cols; i += grid_threads())
      slice.add(row[i], positive);
    const int greater = block_sum<kScoreThreads>(slice.greater);
    const int ties = block_sum<kScoreThreads>(slice.ties);
    if (threadIdx.x != 0) continue;
    atomicAdd(&counts.greater[m], greater);
    atomicAdd(&counts.ties[m], ties);
  }
}

/// Adds the counts over those of row m of candidates (M, C) that are in the chunk; -1 stands for
/// none. A warp per user.
__global__ void __launch_bounds__(kScoreThreads, kScoreBlocks)
    count_candidate_scores_kernel(ScoreQuery query, View<const int32_t> candidates,
                                  RankCounts counts) {
  for (int64_t m = grid_warp(); m < query.scores.rows; m += grid_warps()) {
    const float* row = query.scores.row(m);
    const int32_t* items = candidates.row(m);
    const float positive = query.positives.scores[m];
    Standing found;
    for (int64_t i = lane_index(); i < candidates.cols; i += kWarpSize)
      if (const int64_t place = query.chunk.place(items[i]); place >= 0)
        found.add(row[place], positive);
    found.greater = warp_sum(found.greater);
    found.ties = warp_sum(found.ties);
    if (lane_index() == 0) {
      counts.greater[m] += found.greater;
      counts.ties[m] += found.ties;
    }
  }
}

}  // namespace mgqe

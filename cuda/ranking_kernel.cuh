// Counts, for each user, the items that beat or tie its positive. Every score is the fma chain of
// ranking_score, dimensions in order, so equal items tie exactly; counts are integers, so atomics
// keep runs bitwise the same. A score that does not compare (NaN) counts as greater.
#pragma once

#include "cuda/standing.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kRankThreads = 128;
inline constexpr int kTileItems = 64;  // a block scores a tile of items against
inline constexpr int kTileUsers = 32;  // a group of users,
inline constexpr int kTileDepth = 32;  // this many dimensions at a time;
inline constexpr int kPatch = 4;       // a thread has kPatch x kPatch of the scores
inline constexpr int kItemThreads = kTileItems / kPatch;
static_assert(kItemThreads * (kTileUsers / kPatch) == kRankThreads);
/// Column-major tiles; the padding keeps vectors aligned and spreads a row's stores over banks.
inline constexpr int kItemStride = kTileItems + kPatch;
inline constexpr int kUserStride = kTileUsers + kPatch;

/// The score of the item that stands at `place` of the chunk.
__device__ inline float score_at(const RankQuery& query, int64_t m, int64_t place) {
  return ranking_score(query.users.row(m), query.items.row(place), query.items.cols);
}

/// tile (kTileDepth, stride): columns [depth, + kTileDepth) of rows [first, + kRows), transposed.
/// Rows past the end repeat the last one; columns past the end are left alone.
template <int kRows>
__device__ inline void load_transposed(View<const float> rows, int64_t first, int64_t depth,
                                       int stride, float* tile) {
  for (int t = static_cast<int>(threadIdx.x); t < kRows * kTileDepth; t += kRankThreads) {
    const int r = t / kTileDepth, i = t % kTileDepth;
    const int64_t row = min(first + r, rows.rows - 1);
    if (depth + i < rows.cols) tile[i * stride + r] = rows.row(row)[depth + i];
  }
}

/// Adds the counts over all items of the chunk, positive and excluded ones included. Block (g, s):
/// users [g * kTileUsers, + kTileUsers), item tiles s, s + gridDim.y, ...
__global__ void __launch_bounds__(kRankThreads)
    count_all_kernel(RankQuery query, RankCounts counts) {
  using Vector = FloatVector<kPatch>;
  MGQE_SHARED_ARRAY(float, item_tile, kTileDepth* kItemStride);
  MGQE_SHARED_ARRAY(float, user_tile, kTileDepth* kUserStride);
  const int item_lane = static_cast<int>(threadIdx.x) % kItemThreads * kPatch;
  const int user_lane = static_cast<int>(threadIdx.x) / kItemThreads * kPatch;
  const int64_t d = query.items.cols, items = query.items.rows, users = query.users.rows;
  const int64_t first_user = static_cast<int64_t>(blockIdx.x) * kTileUsers;

  Standing standing[kPatch];
  float positive[kPatch];
  for (int m = 0; m < kPatch; ++m)
    positive[m] = query.positives.scores[min(first_user + user_lane + m, users - 1)];

  for (int64_t first_item = static_cast<int64_t>(blockIdx.y) * kTileItems; first_item < items;
       first_item += static_cast<int64_t>(gridDim.y) * kTileItems) {
    float score[kPatch][kPatch] = {};
    for (int64_t depth = 0; depth < d; depth += kTileDepth) {
      __syncthreads();
      load_transposed<kTileItems>(query.items, first_item, depth, kItemStride, item_tile);
      load_transposed<kTileUsers>(query.users, first_user, depth, kUserStride, user_tile);
      __syncthreads();
      const int here = static_cast<int>(min(d - depth, static_cast<int64_t>(kTileDepth)));
      for (int i = 0; i < here; ++i) {
        const Vector q = *reinterpret_cast<const Vector*>(item_tile + i * kItemStride + item_lane);
        const Vector p = *reinterpret_cast<const Vector*>(user_tile + i * kUserStride + user_lane);
        MGQE_UNROLL
        for (int m = 0; m < kPatch; ++m) {
          MGQE_UNROLL
          for (int s = 0; s < kPatch; ++s) score[m][s] = fmaf(p.x[m], q.x[s], score[m][s]);
        }
      }
    }
    MGQE_UNROLL
    for (int s = 0; s < kPatch; ++s) {
      if (first_item + item_lane + s >= items) continue;
      MGQE_UNROLL
      for (int m = 0; m < kPatch; ++m) standing[m].add(score[m][s], positive[m]);
    }
  }
  MGQE_UNROLL
  for (int m = 0; m < kPatch; ++m) {
    const int greater = warp_sum<kItemThreads>(standing[m].greater);
    const int ties = warp_sum<kItemThreads>(standing[m].ties);
    const int64_t user = first_user + user_lane + m;
    if (item_lane != 0 || user >= users) continue;
    atomicAdd(&counts.greater[user], greater);
    atomicAdd(&counts.ties[user], ties);
  }
}

/// Takes back from the counts over all items of the chunk the positive and every excluded item but
/// the positive (which stays a candidate, and is never counted against itself). A warp per user.
__global__ void __launch_bounds__(kRankThreads)
    take_back_excluded_kernel(RankQuery query, Histories excluded, RankCounts counts) {
  for (int64_t m = grid_warp(); m < query.users.rows; m += grid_warps()) {
    const float positive_score = query.positives.scores[m];
    const int32_t positive = query.positives.items[m];
    const int32_t* items = excluded.begin(m);
    Standing standing;
    if (lane_index() == 0 && query.chunk.place(positive) >= 0)
      standing.add(positive_score, positive_score);
    for (int64_t i = lane_index(); i < excluded.length(m); i += kWarpSize) {
      const int64_t place = query.chunk.place(items[i]);
      if (place >= 0 && items[i] != positive)
        standing.add(score_at(query, m, place), positive_score);
    }
    standing.greater = warp_sum(standing.greater);
    standing.ties = warp_sum(standing.ties);
    if (lane_index() == 0) {
      counts.greater[m] -= standing.greater;
      counts.ties[m] -= standing.ties;
    }
  }
}

/// Adds the counts over those of row m of candidates (M, C) that are in the chunk; -1 stands for
/// none. A warp per user.
__global__ void __launch_bounds__(kRankThreads)
    count_candidates_kernel(RankQuery query, View<const int32_t> candidates, RankCounts counts) {
  for (int64_t m = grid_warp(); m < query.users.rows; m += grid_warps()) {
    const float positive_score = query.positives.scores[m];
    const int32_t* items = candidates.row(m);
    Standing standing;
    for (int64_t i = lane_index(); i < candidates.cols; i += kWarpSize)
      if (const int64_t place = query.chunk.place(items[i]); place >= 0)
        standing.add(score_at(query, m, place), positive_score);
    standing.greater = warp_sum(standing.greater);
    standing.ties = warp_sum(standing.ties);
    if (lane_index() == 0) {
      counts.greater[m] += standing.greater;
      counts.ties[m] += standing.ties;
    }
  }
}

}  // namespace mgqe

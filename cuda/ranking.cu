// Ranking: how many items beat or tie each user's positive.
//
// count_items is a tiled matrix product whose result is only counted: 64 items x 32 users a block,
// a 4 x 4 patch a thread, each score one fma chain in dimension order. All n items of the chunk are
// counted, then a warp per user takes back the excluded ones by computing their scores again, which
// costs less than a look-up of every item in the user's list. Flops: 2 M n d; bytes: 4 d (n ceil(M
// / 32) + M) through L2, 8 M read and written, and a user's list. Any M, n, d. count_candidates: a
// warp per user, 4 d + 4 bytes a candidate of the chunk, 4 one of another.
//
// Weighed and left: scores from a library product (its order of additions differs with the item's
// place in the tile, so equal items need not tie) and a stored (M, n) score matrix.
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/ranking_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMaxItemSlices = 1024;
constexpr int kUsersPerBlock = kRankThreads / kWarpSize;  // a warp each

}  // namespace

void CudaBackend::count_items(const RankQuery& query, Histories excluded, RankCounts counts) {
  const int64_t users = query.users.rows;
  if (users == 0 || query.chunk.rows == 0) return;
  const int64_t resident = resident_blocks(kRankThreads);
  const int64_t groups = (users + kTileUsers - 1) / kTileUsers;
  const int64_t slices = std::clamp<int64_t>(resident / groups, 1, kMaxItemSlices);
  const dim3 grid(static_cast<unsigned>(groups), grid_for(query.items.rows, kTileItems, slices));
  MGQE_LAUNCH(count_all_kernel, grid, kRankThreads, 0, stream(), query, counts);
  MGQE_LAUNCH(take_back_excluded_kernel, grid_for(users, kUsersPerBlock, resident), kRankThreads, 0,
              stream(), query, excluded, counts);
}

void CudaBackend::count_candidates(const RankQuery& query, View<const int32_t> candidates,
                                   RankCounts counts) {
  const int64_t users = query.users.rows;
  if (users == 0) return;
  MGQE_LAUNCH(count_candidates_kernel,
              grid_for(users, kUsersPerBlock, resident_blocks(kRankThreads)), kRankThreads, 0,
              stream(), query, candidates, counts);
}

}  // namespace mgqe

// Ranking of scores that a backbone computed itself.
//
// count_scores: a warp per user first takes back what will be counted too much (the positive itself
// and the excluded items), then blocks of (slice of the chunk, user) add what they count. Bytes: 4
// (n + excluded) a user, read once; no flops. Any M, n; one user fills the GPU as well as many do,
// so a backbone need hold no more than one user's row of scores.
//
// Weighed and left: a thread per user (one user's 10^7 scores would be read by one thread), and a
// mask of excluded items (n bytes a user to write and read).
#include "cuda/cuda_backend.cuh"
#include "cuda/score_ranking_kernel.cuh"

namespace mgqe {
namespace {

constexpr int kUsersPerBlock = kScoreThreads / kWarpSize;  // a warp each
constexpr int64_t kScoresPerThread = 8;                    // before another block pays for itself
constexpr int64_t kMaxGridY = 65535;

}  // namespace

void CudaBackend::count_scores(const ScoreQuery& query, Histories excluded, RankCounts counts) {
  const int64_t users = query.scores.rows;
  if (users == 0 || query.chunk.rows == 0) return;
  const int64_t resident = resident_blocks(kScoreThreads);
  MGQE_LAUNCH(take_back_scores_kernel, grid_for(users, kUsersPerBlock, resident), kScoreThreads, 0,
              stream(), query, excluded, counts);
  const dim3 grid(grid_for(query.scores.cols, kScoreThreads * kScoresPerThread, resident),
                  grid_for(users, 1, kMaxGridY));
  MGQE_LAUNCH(count_scores_kernel, grid, kScoreThreads, 0, stream(), query, counts);
}

void CudaBackend::count_candidate_scores(const ScoreQuery& query, View<const int32_t> candidates,
                                         RankCounts counts) {
  const int64_t users = query.scores.rows;
  if (users == 0) return;
  MGQE_LAUNCH(count_candidate_scores_kernel,
              grid_for(users, kUsersPerBlock, resident_blocks(kScoreThreads)), kScoreThreads, 0,
              stream(), query, candidates, counts);
}

}  // namespace mgqe

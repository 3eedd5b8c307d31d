// Ranking of catalogues and of candidates.
#pragma once

#include "host/engine/ops/types.hpp"

namespace mgqe {

class RankingOps {
 public:
  virtual ~RankingOps() = default;

  /// out (m, d): out[i] = table[ids[i]].
  virtual void gather(View<const float> table, View<const int32_t> ids, View<float> out) = 0;
  /// out (m, d) = rows (m, d) * weights (d), column by column.
  virtual void scale_columns(View<const float> rows, View<const float> weights,
                             View<float> out) = 0;
  /// Candidates of user m: all n items but its excluded ones. Scores are ranking_score's.
  virtual void rank_all(const RankQuery& query, Histories excluded, RankCounts counts) = 0;
  /// Candidates of user m: row m of candidates (M, C); -1 stands for none.
  virtual void rank_candidates(const RankQuery& query, View<const int32_t> candidates,
                               RankCounts counts) = 0;

  /// As rank_all and rank_candidates, from scores (M, n) that a backbone computed itself.
  virtual void rank_all_scores(View<const float> scores, View<const int32_t> positives,
                               Histories excluded, RankCounts counts) = 0;
  virtual void rank_candidate_scores(View<const float> scores, View<const int32_t> positives,
                                     View<const int32_t> candidates, RankCounts counts) = 0;
};

}  // namespace mgqe

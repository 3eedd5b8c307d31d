// Ranking of catalogues and of candidates, a chunk of items at a time: every op adds what its chunk
// holds to the counts, which begin at 0. Counts are whole numbers and a score does not depend on
// the chunk it is computed in, so any cut of a catalogue, over time or over ranks, counts the same
// (of users with enough better items: at least that many).
#pragma once

#include "host/engine/ops/types.hpp"

namespace mgqe {

class RankingOps {
 public:
  virtual ~RankingOps() = default;

  /// out (m, d): out[i] = table[ids[i]].
  virtual void gather(View<const float> table, View<const int32_t> ids, View<float> out) = 0;
  /// out (m, d) = rows (m, d), wherever they begin.
  virtual void copy_values(View<const float> rows, View<float> out) = 0;
  /// out (m, d) = rows (m, d) * weights (d), column by column.
  virtual void scale_columns(View<const float> rows, View<const float> weights,
                             View<float> out) = 0;
  /// scores (M): ranking_score of user m (M, d) and row m (M, d), as the counting ops compute it.
  virtual void score_pairs(View<const float> users, View<const float> rows, View<float> scores) = 0;
  /// Adds every item of the chunk but user m's positive and its excluded ones; a positive that is
  /// excluded counts no differently. A back end may stop counting for a user who has query.enough.
  virtual void count_items(const RankQuery& query, Histories excluded, RankCounts counts) = 0;
  /// Adds those of row m of candidates (M, C) that are in the chunk; -1 stands for none.
  virtual void count_candidates(const RankQuery& query, View<const int32_t> candidates,
                                RankCounts counts) = 0;

  /// As count_items and count_candidates.
  virtual void count_scores(const ScoreQuery& query, Histories excluded, RankCounts counts) = 0;
  virtual void count_candidate_scores(const ScoreQuery& query, View<const int32_t> candidates,
                                      RankCounts counts) = 0;
};

}  // namespace mgqe

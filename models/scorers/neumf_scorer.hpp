// NeuMF as it is served. Its ranker has no dot product to rank by, so scores are computed for a
// chunk of items and one user at a time, and counted before the next user's: (users, items) never
// exists. Of the first layer, x = relu(p W_left + b + q W_right), both summands are computed once a
// batch of users and once a chunk of items.
//
// Items of equal codes have to tie wherever they stand, and a product may sum in another order for
// another number of rows. So every product over items has the rows of a whole chunk, the last one
// and the positives' filled up; and a chunk is as long on every rank as on one.
#pragma once

#include <memory>

#include "models/layers/mlp_tower.hpp"
#include "models/scorers/item_scan.hpp"
#include "models/scorers/item_scorer.hpp"

namespace mgqe {

/// Scores of a chunk of items for the users of a batch, one user at a time.
class NeumfScores {
 public:
  /// Dimensions of the tables; chunk: rows of every product over items.
  NeumfScores(Backend& backend, const ArrayMap& dense, int64_t gmf_dim, int64_t mlp_dim,
              int64_t max_users, int64_t chunk);

  int64_t chunk() const { return scores_.rows(); }
  // Where rows of both tables go, by place in the batch or chunk, before what is below is called.
  View<float> gmf_users(int64_t count) const { return user_gmf_.view().slice(0, count); }
  View<float> mlp_users(int64_t count) const { return user_rows_.view().slice(0, count); }
  View<float> gmf_items(int64_t count) const { return item_gmf_.view().slice(0, count); }
  View<float> mlp_items(int64_t count) const { return item_rows_.view().slice(0, count); }
  /// The rows of so many users are there; gmf_users() becomes w * p.
  void take_users(int64_t count);
  void take_items();
  /// User m against the items of the chunk: (chunk), valid until the next call.
  View<const float> score(int64_t m);
  /// User first + i against item i of the chunk, for `out` (up to chunk) of them.
  void score_each(int64_t first, View<float> out);

 private:
  /// The perceptron's part of the scores of a chunk from first_ = h_1, into out (chunk).
  void finish(View<float> out);

  Backend& backend_;
  Tensor<float> gmf_weights_, mlp_weights_;  // (d + 1), (m/4)
  MlpTower tower_;
  Tensor<float> user_gmf_, user_rows_, user_mlp_;  // (max users, d) by w; (max users, m); projected
  Tensor<float> item_gmf_, item_rows_, item_mlp_;  // (chunk, d); (chunk, m); projected
  Tensor<float> first_, second_, third_;           // h_1 (chunk, m), h_2, h_3
  Tensor<float> no_bias_;                          // (m) zeros
  Tensor<float> base_, scores_;                    // (chunk)
};

class NeumfRanker final : public Ranker {
 public:
  NeumfRanker(Backend& backend, const DevicePackedModel& model);

  static constexpr int64_t kMaxUsers = 256;      // of a batch
  static constexpr int64_t kProductRows = 4096;  // items of a chunk
  int64_t max_users() const override { return kMaxUsers; }
  bool together() const override { return together_; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  /// positive_scores_, by the products that score a chunk.
  void score_positives(View<const int32_t> positives);

  Backend& backend_;
  bool together_;
  int64_t chunk_;
  ItemChunks chunks_;
  PackedRows gmf_users_, mlp_users_, gmf_items_, mlp_items_;
  NeumfScores scores_;
  Tensor<float> positive_scores_;  // (max users)
};

/// Its vectors rank by the GMF half alone, which makes a shortlist and no more.
std::unique_ptr<ItemScorer> make_neumf_item_scorer(Backend& backend, const RowSources& model);

std::unique_ptr<PairScorer> make_neumf_pair_scorer(Backend& backend,
                                                   const DevicePackedModel& model);

}  // namespace mgqe

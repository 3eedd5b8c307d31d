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

namespace mgqe {

class NeumfRanker final : public Ranker {
 public:
  NeumfRanker(Backend& backend, const DevicePackedModel& model);

  static constexpr int64_t kMaxUsers = 256;      // of a batch
  static constexpr int64_t kProductRows = 4096;  // items of a chunk
  int64_t max_users() const override { return kMaxUsers; }
  bool together() const override { return together_; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  /// Both of a user's vectors as scores want them.
  void fetch_users(View<const int32_t> users);
  /// positive_scores_, by the products that score a chunk.
  void score_positives(View<const int32_t> positives);
  /// The perceptron's part of the scores of a chunk from first_ = h_1, into out (chunk).
  void finish(View<float> out);

  Backend& backend_;
  bool together_;
  int64_t chunk_;
  ItemChunks chunks_;
  PackedRows gmf_users_, mlp_users_, gmf_items_, mlp_items_;
  Tensor<float> gmf_weights_, mlp_weights_;  // (d + 1), (m/4)
  MlpTower tower_;
  Tensor<float> user_gmf_, user_rows_, user_mlp_;  // (max users, d) by w; (max users, m); projected
  Tensor<float> item_gmf_, item_rows_, item_mlp_;  // (chunk, d); (chunk, m); projected
  Tensor<float> first_, second_, third_;           // h_1 (chunk, m), h_2, h_3
  Tensor<float> no_bias_;                          // (m) zeros
  Tensor<float> base_, scores_;                    // (chunk)
  Tensor<float> positive_scores_;                  // (max users)
};

std::unique_ptr<PairScorer> make_neumf_pair_scorer(Backend& backend,
                                                   const DevicePackedModel& model);

}  // namespace mgqe

// NeuMF as it is served. Its ranker has no dot product to rank by, so scores are computed for one
// user and a chunk of items at a time, and counted before the next user's: (users, items) never
// exists. Of the first layer, x = relu(p W_left + b + q W_right), both summands are computed once a
// user and once an item.
//
// Items of equal codes have to tie wherever they stand, and a product may sum in another order for
// another number of rows. So every chunk has the same number: the last one is filled up.
#pragma once

#include <memory>

#include "host/packed/packed_model.hpp"
#include "models/layers/mlp_tower.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

class NeumfRanker final : public Ranker {
 public:
  NeumfRanker(Backend& backend, const PackedModel& model);

  int64_t max_users() const override;
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  /// scores (1, items) of user number `user` of the batch; valid until the next call.
  View<const float> score_user(int64_t user);

  Backend& backend_;
  // (users, d) scaled by w; (users, m) first layer, left side
  Tensor<float> gmf_users_, mlp_users_;
  // (items, d), (items, m) and rows of 0 up to a whole number of chunks; the second: first layer,
  // right side.
  Tensor<float> gmf_items_, mlp_items_;
  Tensor<float> mlp_weights_;  // (m/4)
  Tensor<float> ones_;         // (the wider of d and m)
  MlpTower tower_;
  int64_t items_, chunk_;
  Tensor<float> first_, second_, third_;  // h_1 (item chunk, m), h_2, h_3
  Tensor<float> scores_;                  // (items, up to a whole number of chunks) of one user
  Tensor<float> user_gmf_, user_mlp_;     // (max users, d), (max users, m) of the batch
};

std::unique_ptr<PairScorer> make_neumf_pair_scorer(Backend& backend, const PackedModel& model);

}  // namespace mgqe

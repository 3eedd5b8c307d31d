// GMF as it is served. The bias shifts all scores alike, so the rank of an item is that of
// <w * p_u, q_i>.
#pragma once

#include <memory>

#include "host/packed/packed_model.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

class GmfRanker final : public Ranker {
 public:
  GmfRanker(Backend& backend, const PackedModel& model);

  int64_t max_users() const override { return 2048; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  Backend& backend_;
  Tensor<float> users_;         // (users, d), scaled by w
  Tensor<float> items_;         // (items, d)
  Tensor<float> user_vectors_;  // (max users, d) of the last batch
};

std::unique_ptr<PairScorer> make_gmf_pair_scorer(Backend& backend, const PackedModel& model);

}  // namespace mgqe

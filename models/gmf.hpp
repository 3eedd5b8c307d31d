// Generalized matrix factorization (He et al. 2017, section 3.2):
//   logit(u, i) = sum_c w_c p_uc q_ic + bias, binary cross-entropy against sampled negatives.
#pragma once

#include "models/model.hpp"

namespace mgqe {

class Gmf final : public Model {
 public:
  Gmf(Backend& backend, const Config& config, int64_t users, int64_t items);

  void train_step(const PairBatch& batch, View<const StepState> state,
                  View<double> loss_sum) override;
  PackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  std::unique_ptr<Embedding> users_, items_;
  Parameter weights_;                               // (d + 1), the bias last
  Tensor<float> weight_gradient_;                   // (d + 1)
  Tensor<float> logits_, losses_, logit_gradient_;  // (B)
  Tensor<float> user_gradient_, item_gradient_;     // (B, d)
};

/// The bias shifts all scores alike, so the rank of an item is that of <w * p_u, q_i>.
class GmfRanker final : public Ranker {
 public:
  GmfRanker(Backend& backend, const PackedModel& model);

  void rank_all(View<const int32_t> users, View<const int32_t> positives, Histories excluded,
                RankCounts counts) override;
  void rank_candidates(View<const int32_t> users, View<const int32_t> positives,
                       View<const int32_t> candidates, RankCounts counts) override;

 private:
  RankQuery query(View<const int32_t> users, View<const int32_t> positives);

  Backend& backend_;
  Tensor<float> users_;         // (users, d), scaled by w
  Tensor<float> items_;         // (items, d)
  Tensor<float> user_vectors_;  // (M, d) of the last query
};

}  // namespace mgqe

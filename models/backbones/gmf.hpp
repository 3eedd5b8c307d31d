// Generalized matrix factorization (He et al. 2017, section 3.2):
//   logit(u, i) = sum_c w_c p_uc q_ic + bias.
#pragma once

#include "models/backbones/interaction.hpp"

namespace mgqe {

extern const Backbone kGmf;

class Gmf final : public Interaction {
 public:
  Gmf(Backend& backend, const Config& config);

  const std::vector<TableSpec>& tables() const override { return tables_; }
  bool symmetric() const override { return true; }

  void forward(Side left, Side right, View<float> logits) override;
  void backward(Side left, Side right, View<const float> logit_gradient,
                SideGradient left_gradients, SideGradient right_gradients) override;
  void step(View<const StepState> state) override { weights_.step(weight_gradient_, state); }

  void pack(ArrayMap& arrays) const override { weights_.pack(arrays); }
  void load(const ArrayMap& arrays) override { weights_.load(arrays); }
  void visit(const TensorVisitor& visitor) override { weights_.visit(visitor); }

 private:
  Backend& backend_;
  std::vector<TableSpec> tables_;
  Parameter weights_;              // (d + 1), the bias last
  Tensor<float> weight_gradient_;  // (d + 1)
};

/// The bias shifts all scores alike, so the rank of an item is that of <w * p_u, q_i>.
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

}  // namespace mgqe

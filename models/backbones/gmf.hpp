// Generalized matrix factorization (He et al. 2017, section 3.2):
//   logit(u, i) = sum_c w_c p_uc q_ic + bias.
#pragma once

#include "models/backbones/interaction.hpp"
#include "models/layers/pair_layers.hpp"

namespace mgqe {

extern const Backbone kGmf;

class Gmf final : public Interaction {
 public:
  Gmf(Backend& backend, const Config& config);

  bool symmetric() const override { return true; }

  void forward(Side left, Side right, View<float> logits) override;
  void backward(Side left, Side right, View<const float> logit_gradient,
                SideGradient left_gradients, SideGradient right_gradients) override;
  void step(View<const StepState> state) override { weights_.step(state); }

  void pack(ArrayMap& arrays) const override { layer_.weights.pack(arrays); }
  void visit(const TensorVisitor& visitor) override { weights_.visit(visitor); }

 private:
  Backend& backend_;
  GmfLayer layer_;
  Trainable weights_;  // (d + 1), the bias last
};

}  // namespace mgqe

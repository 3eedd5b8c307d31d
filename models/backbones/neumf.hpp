// NeuMF (He et al. 2017, section 3.4): GMF beside a multi-layer perceptron, each with tables of its
// own, joined by one prediction layer:
//   h_1 = relu([p; q] W_0 + b_0), h_2 = relu(h_1 W_1 + b_1), h_3 = relu(h_2 W_2 + b_2),
//   logit = sum_c w_c p'_c q'_c + v . h_3 + bias,   2m -> m -> m/2 -> m/4,
// where p, q have the perceptron's dimension m (--mlp-dim; d where it is not given).
//
// Pre-training (section 3.4.1): for the first --pretrain-epochs the GMF half (with its bias) and
// the MLP half (with one of its own) each learn to predict alone; then their prediction layers are
// halved and joined. The loss reported meanwhile is the sum of both. Before the join the model is
// served as if joined.
#pragma once

#include "models/backbones/interaction.hpp"
#include "models/layers/pair_layers.hpp"
#include "models/trainable/mlp_tower.hpp"

namespace mgqe {

extern const Backbone kNeumf;

class Neumf final : public Interaction {
 public:
  Neumf(Backend& backend, const Config& config, int64_t max_pairs);

  const std::vector<TableSpec>& tables() const override { return tables_; }
  bool symmetric() const override { return false; }
  int parts() const override { return pretraining_ ? 2 : 1; }
  void choose_part(int part) override;
  std::vector<int> part_tables() const override;
  void begin_epoch(int epoch) override;

  void forward(Side left, Side right, View<float> logits) override;
  void backward(Side left, Side right, View<const float> logit_gradient,
                SideGradient left_gradients, SideGradient right_gradients) override;
  void step(View<const StepState> state) override;

  void pack(ArrayMap& arrays) const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  enum class Part { kGmf, kMlp, kBoth };
  /// Prediction layers of both halves as the joined model has them.
  struct Joined {
    std::vector<float> gmf, mlp;
  };
  Joined joined() const;

  Backend& backend_;
  std::vector<TableSpec> tables_;
  int pretrain_epochs_;
  bool pretraining_ = false;
  Part part_ = Part::kBoth;
  GmfLayer gmf_;
  MlpLayers mlp_;
  TowerActivations kept_;  // of the last forward
  int64_t pairs_ = 0;      // of it
  Trainable gmf_weights_;  // (d + 1), the bias last
  TrainableMlpTower tower_;
  Trainable mlp_weights_;          // (m/4)
  Trainable mlp_bias_;             // (1), in pre-training alone
  Tensor<float> hidden_gradient_;  // (B, m/4)
};

}  // namespace mgqe

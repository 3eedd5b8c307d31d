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

#include "models/backbones/pair_model.hpp"
#include "models/layers/pair_layers.hpp"
#include "models/trainable/mlp_tower.hpp"

namespace mgqe {

extern const Backbone kNeumf;

class Neumf final : public Interaction {
 public:
  Neumf(Backend& backend, const Config& config, int64_t max_pairs);

  bool symmetric() const override { return false; }

  void forward(Side left, Side right, View<float> logits) override;
  void backward(Side left, Side right, View<const float> logit_gradient,
                SideGradient left_gradients, SideGradient right_gradients) override;
  void step(View<const StepState> state) override;

  /// Before the join the two halves predict apart, each over the table of its number; pack() joins
  /// their prediction layers meanwhile.
  void set_joined(bool joined);
  PairObjective& gmf_half() { return gmf_half_; }
  PairObjective& mlp_half() { return mlp_half_; }

  void pack(ArrayMap& arrays) const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  class GmfHalf final : public PairObjective {
   public:
    explicit GmfHalf(Neumf& whole) : whole_(whole) {}
    bool symmetric() const override { return true; }
    void forward(Side left, Side right, View<float> logits) override;
    void backward(Side left, Side right, View<const float> logit_gradient,
                  SideGradient left_gradients, SideGradient right_gradients) override;
    void step(View<const StepState> state) override;

   private:
    Neumf& whole_;
  };
  /// With a bias of its own.
  class MlpHalf final : public PairObjective {
   public:
    explicit MlpHalf(Neumf& whole) : whole_(whole) {}
    bool symmetric() const override { return false; }
    void forward(Side left, Side right, View<float> logits) override;
    void backward(Side left, Side right, View<const float> logit_gradient,
                  SideGradient left_gradients, SideGradient right_gradients) override;
    void step(View<const StepState> state) override;

   private:
    Neumf& whole_;
  };
  void mlp_backward(View<const float> logit_gradient, SideGradient left_gradients,
                    SideGradient right_gradients);
  Trainables mlp_trainables();

  /// Prediction layers of both halves as the joined model has them.
  struct Heads {
    std::vector<float> gmf, mlp;
  };
  Heads joined_heads() const;

  Backend& backend_;
  bool pretrains_;  // at any time
  bool joined_ = true;
  GmfHalf gmf_half_{*this};
  MlpHalf mlp_half_{*this};
  GmfLayer gmf_;
  MlpLayers mlp_;
  TowerActivations kept_;  // of the last forward
  Trainable gmf_weights_;  // (d + 1), the bias last
  TrainableMlpTower tower_;
  Trainable mlp_weights_;          // (m/4)
  Trainable mlp_bias_;             // (1), in pre-training alone
  Tensor<float> hidden_gradient_;  // (B, m/4)
};

/// A NeuMF that pre-trains: its schedule by epochs.
class PretrainedNeumf final : public PairModel {
 public:
  PretrainedNeumf(Backend& backend, const Config& config, const Catalogue& catalogue,
                  std::unique_ptr<Neumf> neumf);

  void begin_epoch(int epoch) override;
  int phase() const override { return pretraining_ ? 1 : 0; }
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;

 private:
  Neumf& neumf_;
  int pretrain_epochs_;
  bool pretraining_ = false;
  std::vector<int> gmf_tables_ = {0}, mlp_tables_ = {1};
};

}  // namespace mgqe

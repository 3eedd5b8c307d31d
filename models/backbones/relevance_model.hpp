// RelevanceModel: item-to-item scores by an Interaction over one shared item table,
//   prediction(i, j) = mean + b_i + b_j + logit(q_i, q_j),
// squared error on score / 100. An interaction that tells its sides apart is averaged over both
// orders of the pair. The biases b belong to the backbone, not to the embedding's size.
#pragma once

#include "models/backbones/interaction.hpp"

namespace mgqe {

/// Training targets are scores divided by this.
inline constexpr float kRelevanceScale = 100.0f;

/// Predictions of B pairs from 2B look-ups of one item table, [left; right], and back.
class RelevancePredictor {
 public:
  /// tables: of the items.
  RelevancePredictor(Backend& backend, std::unique_ptr<Interaction> interaction,
                     const std::vector<TableSpec>& tables, int64_t max_pairs);

  /// predictions (B) without mean and biases.
  void forward(Side items, View<float> predictions) {
    orders_.forward(*interaction_, items, predictions);
  }
  /// After forward: gradients (2B, d) a table from gradient (B).
  void backward(View<const float> gradient, SideGradient gradients);
  Interaction& interaction() { return *interaction_; }

 private:
  Backend& backend_;
  std::unique_ptr<Interaction> interaction_;
  BothOrders orders_;
  std::vector<Tensor<float>> swapped_gradients_;  // (2B, d) a table
  Tensor<float> logit_gradient_;                  // (orders B)
};

class RelevanceModel final : public Model {
 public:
  RelevanceModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                 MakeInteraction make_interaction);

  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  DevicePackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  std::string backbone_;
  float mean_;  // of the training targets
  RelevancePredictor predictor_;
  GroupTables items_;
  TrainableTable biases_;                          // (n, 1) floats
  DoubleBuffer<Tensor<int32_t>> ids_;              // (2B) [left; right]
  Tensor<float> predictions_, losses_, gradient_;  // (B)
  Tensor<float> bias_gradient_;                    // (2B)
  Tensor<float> ones_;                             // (2)
};

}  // namespace mgqe

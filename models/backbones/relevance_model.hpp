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
  RelevancePredictor(Backend& backend, std::unique_ptr<Interaction> interaction, int64_t max_pairs);

  /// predictions (B) without mean and biases.
  void forward(Side items, View<float> predictions);
  /// After forward: gradients (2B, d) a table from gradient (B).
  void backward(View<const float> gradient, SideGradient gradients);
  Interaction& interaction() { return *interaction_; }

 private:
  Backend& backend_;
  std::unique_ptr<Interaction> interaction_;
  int copies_;  // orders of a pair that are computed: 1 where the interaction is symmetric, else 2
  std::vector<Lookup> left_, right_;              // of the last forward
  std::vector<Tensor<int32_t>> swapped_index_;    // (2B) a table
  std::vector<Tensor<float>> swapped_gradients_;  // (2B, d) a table
  Tensor<float> logits_, logit_gradient_;         // (copies B)
  Tensor<float> average_;                         // (copies): 1 / copies
};

class RelevanceModel final : public Model {
 public:
  RelevanceModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                 MakeInteraction make_interaction);

  void begin_epoch(int epoch) override { predictor_.interaction().begin_epoch(epoch); }
  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  PackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  std::string backbone_;
  float mean_;  // of the training targets
  RelevancePredictor predictor_;
  SideTables items_;
  TableParameter biases_;                          // (n, 1)
  DoubleBuffer<Tensor<int32_t>> ids_;              // (2B) [left; right]
  Tensor<float> predictions_, losses_, gradient_;  // (B)
  Tensor<float> bias_gradient_;                    // (2B)
  Tensor<float> ones_;                             // (2)
};

/// Scores pairs from decoded tables.
class RelevanceScorer final : public PairScorer {
 public:
  RelevanceScorer(Backend& backend, const PackedModel& model, MakeInteraction make_interaction);
  void score(View<const int32_t> left, View<const int32_t> right, View<float> scores) override;

 private:
  Backend& backend_;
  std::vector<Tensor<float>> tables_;  // (n, d)
  Tensor<float> biases_;               // (n)
  float mean_;
  std::unique_ptr<RelevancePredictor> predictor_;
  Tensor<int32_t> ids_;  // (2 x chunk) [left; right]
};

}  // namespace mgqe

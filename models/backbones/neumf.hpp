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
#include "models/layers/linear.hpp"

namespace mgqe {

extern const Backbone kNeumf;

/// The perceptron up to h_3.
class Tower {
 public:
  Tower(Backend& backend, const Config& config, int64_t max_pairs);

  int64_t outputs() const { return top_.outputs(); }
  /// h_3 (B, m/4); valid until the next call.
  View<const float> forward(Lookup left, Lookup right, int64_t pairs);
  /// After forward, from the gradient of h_3 (B, m/4), which is overwritten.
  void backward(View<float> output_gradient, View<float> left_gradient, View<float> right_gradient);
  void step(View<const StepState> state);

  /// The first layer by side, h_1 = relu(left + right): left rows with the bias, right ones
  /// without.
  void project_left(View<const float> rows, View<float> out);
  void project_right(View<const float> rows, View<float> out);
  /// first (rows, m) = h_1 -> h_3 (rows, m/4); valid until the next call.
  View<const float> finish(View<const float> first);

  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  View<const float> left_weights() const { return weights_.values.view().slice(0, dim_); }
  View<const float> right_weights() const { return weights_.values.view().slice(dim_, dim_); }

  Backend& backend_;
  int64_t dim_;               // m
  Parameter weights_, bias_;  // of the first layer: (2m, m), (m)
  Linear middle_, top_;
  Tensor<float> weight_gradient_, bias_gradient_;
  Tensor<float> left_, right_;                      // (B, m) rows as looked up
  Tensor<float> first_, second_, third_;            // h_1 (B, m), h_2, h_3
  Tensor<float> first_gradient_, second_gradient_;  // by h_1, h_2
  int64_t pairs_ = 0;                               // of the last forward
};

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
  void load(const ArrayMap& arrays) override;
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
  Parameter gmf_weights_;  // (d + 1), the bias last
  Tower tower_;
  Parameter mlp_weights_;  // (m/4)
  Parameter mlp_bias_;     // (1), in pre-training alone
  Tensor<float> gmf_gradient_, mlp_gradient_, mlp_bias_gradient_;
  Tensor<float> hidden_gradient_;  // (B, m/4)
  View<const float> hidden_;       // h_3 of the last forward
};

/// Scores the catalogue user by user; the first layer is computed once a user and once an item.
class NeumfRanker final : public Ranker {
 public:
  NeumfRanker(Backend& backend, const PackedModel& model);

  int64_t max_users() const override;
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  /// scores (1, items) of user number `user` of the batch; valid until the next call.
  View<const float> score_user(int64_t user);

  Backend& backend_;
  Tensor<float> gmf_users_,
      mlp_users_;  // (users, d) scaled by w; (users, m) first layer, left side
  // (items, d), (items, m) and rows of 0 up to a whole number of chunks; the second: first layer,
  // right side.
  Tensor<float> gmf_items_, mlp_items_;
  Tensor<float> mlp_weights_;  // (m/4)
  Tensor<float> ones_;         // (the wider of d and m)
  std::unique_ptr<Tower> tower_;
  int64_t items_, chunk_;
  Tensor<float> first_;                // (item chunk, m)
  Tensor<float> scores_;               // (items, up to a whole number of chunks) of one user
  Tensor<float> user_gmf_, user_mlp_;  // (max users, d), (max users, m) of the batch
};

}  // namespace mgqe

// SASRec (Kang & McAuley 2018): self-attention over a user's latest actions predicts the next one.
//   x_t = sqrt(d) item(a_t) + position(t), dropout, blocks, LN -> h_t,
//   logit of item i: h_t . item(i),
// the same item table on both ends; binary cross-entropy with one negative a step. Sequences are
// concatenated without padding.
#pragma once

#include "models/backbones/interaction.hpp"
#include "models/layers/transformer_block.hpp"

namespace mgqe {

extern const Backbone kSasrec;

struct SasrecShape {
  TransformerShape block;
  int blocks = 2;
  int64_t max_length = 200;
};

/// Everything between the item rows and h.
class SasrecEncoder {
 public:
  SasrecEncoder(Backend& backend, const SasrecShape& shape, const OptimizerOptions& options,
                uint64_t seed);

  /// items: T look-ups; positions (T). h (T, d), valid until the next call.
  View<const float> forward(Lookup items, Sequences sequences, View<const int32_t> positions,
                            View<const StepState> state, Pass pass);
  /// gradient (T, d) by h is overwritten; item_gradient (T, d) by the item rows.
  void backward(Sequences sequences, View<const int32_t> positions, View<const StepState> state,
                View<float> gradient, View<float> item_gradient);
  void step(View<const StepState> state);

  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Dropout input_dropout() const { return {dropout_key_, shape_.block.dropout, pass_.first_token}; }

  Backend& backend_;
  SasrecShape shape_;
  uint64_t dropout_key_;
  Pass pass_;            // the last forward
  Parameter positions_;  // (max length, d)
  std::vector<TransformerBlock> blocks_;
  LayerNorm final_norm_;
  UniqueBuffer unique_positions_;
  Tensor<float> position_gradient_;                // (max length, d)
  Tensor<float> input_, hidden_, block_gradient_;  // (T, d)
  Tensor<float> input_scale_;                      // (d) of sqrt(d)
  std::vector<View<const float>> block_inputs_;    // of the last forward, the final norm's last
};

class Sasrec final : public Model {
 public:
  Sasrec(Backend& backend, const Config& config, const Catalogue& catalogue);

  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  PackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  SasrecShape shape_;
  SideTables items_;  // looked up as [inputs; positives; negatives]
  SasrecEncoder encoder_;
  DoubleBuffer<Tensor<int32_t>> ids_;               // (3T)
  Tensor<float> ones_, zeros_;                      // (T) labels
  Tensor<float> logits_, losses_, logit_gradient_;  // (T)
  Tensor<float> hidden_gradient_;                   // (T, d)
};

/// Ranks by h of the user's last token.
class SasrecRanker final : public Ranker {
 public:
  SasrecRanker(Backend& backend, const PackedModel& model);

  int64_t max_users() const override { return kMaxUsers; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  static constexpr int64_t kMaxUsers = 128;

  Backend& backend_;
  Tensor<float> items_;         // (items, d)
  Tensor<float> user_vectors_;  // (max users, d)
  Tensor<StepState> state_;     // of no step
  std::unique_ptr<SasrecEncoder> encoder_;
};

}  // namespace mgqe

// SASRec (Kang & McAuley 2018): self-attention over a user's latest actions predicts the next one.
// logit of item i = h_t . item(i), where h_t is the encoder's (models/layers/sasrec_encoder.hpp),
// the same item table on both ends; binary cross-entropy with one negative a step. Sequences are
// concatenated without padding.
#pragma once

#include "models/backbones/interaction.hpp"
#include "models/trainable/sasrec_encoder.hpp"

namespace mgqe {

extern const Backbone kSasrec;

class Sasrec final : public Model {
 public:
  Sasrec(Backend& backend, const Config& config, const Catalogue& catalogue);

  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  DevicePackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  float dropout_;
  int64_t max_tokens_;  // T of the largest batch
  GroupTables items_;   // looked up as [inputs; positives; negatives]
  SasrecEncoder encoder_;
  TrainableSasrecEncoder trainable_;
  SasrecActivations kept_;
  DoubleBuffer<Tensor<int32_t>> ids_;               // (3T)
  Tensor<float> ones_, zeros_;                      // (T) labels
  Tensor<float> logits_, losses_, logit_gradient_;  // (T)
  Tensor<float> hidden_gradient_;                   // (T, d)
};

}  // namespace mgqe

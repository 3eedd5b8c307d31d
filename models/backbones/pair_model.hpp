// PairModel: users against items by an Interaction, binary cross-entropy against sampled negatives
// (He et al. 2017, eq. 7).
#pragma once

#include "models/backbones/interaction.hpp"

namespace mgqe {

class PairModel final : public Model {
 public:
  PairModel(Backend& backend, const Config& config, const Catalogue& catalogue,
            MakeInteraction make_interaction);

  void begin_epoch(int epoch) override { interaction_->begin_epoch(epoch); }
  int phase() const override { return interaction_->parts(); }  // NeuMF's halves, then the whole
  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  DevicePackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  std::string backbone_;
  std::unique_ptr<Interaction> interaction_;
  SideTables users_, items_;
  Tensor<float> logits_, losses_, logit_gradient_;  // (B)
};

}  // namespace mgqe

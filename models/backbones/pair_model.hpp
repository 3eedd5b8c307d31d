// PairModel: users against items by an Interaction, binary cross-entropy against sampled negatives
// (He et al. 2017, eq. 7). The tables of the two sides have nothing in common but the loss, so that
// what is done to them may run side by side.
#pragma once

#include "models/backbones/interaction.hpp"

namespace mgqe {

class PairModel : public Model {
 public:
  PairModel(Backend& backend, const Config& config, const Catalogue& catalogue,
            std::unique_ptr<Interaction> interaction);

  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  DevicePackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 protected:
  /// Looks up the rows of the batch last prepared.
  void look_up();
  /// One loss of the pairs looked up: forward, backward, and the update of the tables listed and of
  /// the objective's weights.
  void train_objective(PairObjective& objective, const std::vector<int>& tables, const Batch& batch,
                       View<const StepState> state, View<double> loss_sum);
  Interaction& interaction() { return *interaction_; }
  const std::vector<int>& all_tables() const { return users_.all(); }

 private:
  Backend& backend_;
  std::string backbone_;
  std::unique_ptr<Interaction> interaction_;
  GroupTables users_, items_;
  Side user_rows_, item_rows_;                      // of the last look_up
  Tensor<float> logits_, losses_, logit_gradient_;  // (B)
};

}  // namespace mgqe

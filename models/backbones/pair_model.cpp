#include "models/backbones/pair_model.hpp"

#include "host/engine/profile_range.hpp"

namespace mgqe {

PairModel::PairModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                     MakeInteraction make_interaction)
    : backend_(backend),
      backbone_(config.model.name),
      interaction_(make_interaction(backend, config, config.train.batch)),
      users_(backend, config, interaction_->tables(), "user", catalogue.users, config.train.batch),
      items_(backend, config, interaction_->tables(), "item", catalogue.items, config.train.batch),
      logits_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      logit_gradient_(backend, config.train.batch) {}

void PairModel::prepare(Backend& on, const Batch& batch) {
  users_.prepare(on, batch.pairs.left, batch.examples);
  items_.prepare(on, batch.pairs.right, batch.examples);
}

void PairModel::train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) {
  const PairBatch& pairs = batch.pairs;
  const int64_t count = pairs.targets.size();
  const View<float> logits = logits_.view().slice(0, count);
  const View<float> losses = losses_.view().slice(0, count);
  const View<float> logit_gradient = logit_gradient_.view().slice(0, count);

  ProfileRange range(backend_, "forward");
  users_.send_rows();
  items_.send_rows();
  const Side users = users_.forward();
  const Side items = items_.forward();
  for (int part = 0; part < interaction_->parts(); ++part) {
    if (part > 0) range.next("forward");
    interaction_->choose_part(part);
    interaction_->forward(users, items, logits);
    backend_.bce_with_logits(logits, pairs.targets, 1.0f / static_cast<float>(batch.examples),
                             losses, logit_gradient);
    backend_.accumulate(losses, loss_sum);
    range.next("backward");
    interaction_->backward(users, items, logit_gradient, users_.gradients(), items_.gradients());
    const std::vector<int> tables = interaction_->part_tables();
    users_.send_gradients(tables);
    items_.send_gradients(tables);
    range.next("optimizer");
    users_.backward(tables, state);
    items_.backward(tables, state);
    interaction_->step(state);
  }
}

DevicePackedModel PairModel::pack() {
  DevicePackedModel packed;
  packed.backbone = backbone_;
  packed.task = "ranking";
  users_.pack(packed);
  items_.pack(packed);
  interaction_->pack(packed.dense);
  return packed;
}

std::map<std::string, std::vector<TierReport>> PairModel::tier_reports() const {
  std::map<std::string, std::vector<TierReport>> reports;
  users_.tier_reports(reports);
  items_.tier_reports(reports);
  return reports;
}

void PairModel::visit(const TensorVisitor& visitor) {
  users_.visit(visitor);
  items_.visit(visitor);
  interaction_->visit(visitor);
}

}  // namespace mgqe

#include "models/backbones/pair_model.hpp"

#include "host/engine/profile_range.hpp"

namespace mgqe {

PairModel::PairModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                     std::unique_ptr<Interaction> interaction)
    : backend_(backend),
      backbone_(config.model.name),
      interaction_(std::move(interaction)),
      users_(backend, config, table_group(config, Entity::kUser, catalogue.users),
             config.train.batch),
      items_(backend, config, table_group(config, Entity::kItem, catalogue.items),
             config.train.batch),
      logits_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      logit_gradient_(backend, config.train.batch) {}

void PairModel::prepare(Backend& on, const Batch& batch) {
  on.side_by_side([&] { users_.prepare(on, batch.pairs.left, batch.examples); },
                  [&] { items_.prepare(on, batch.pairs.right, batch.examples); });
}

void PairModel::train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) {
  look_up();
  train_objective(*interaction_, all_tables(), batch, state, loss_sum);
}

void PairModel::look_up() {
  const ProfileRange range(backend_, "forward");
  users_.send_rows();
  items_.send_rows();
  backend_.side_by_side([&] { user_rows_ = users_.forward(); },
                        [&] { item_rows_ = items_.forward(); });
}

void PairModel::train_objective(PairObjective& objective, const std::vector<int>& tables,
                                const Batch& batch, View<const StepState> state,
                                View<double> loss_sum) {
  const View<const float> targets = batch.pairs.targets;
  const View<float> logits = logits_.view().slice(0, targets.size());
  const View<float> losses = losses_.view().slice(0, targets.size());
  const View<float> logit_gradient = logit_gradient_.view().slice(0, targets.size());

  ProfileRange range(backend_, "forward");
  objective.forward(user_rows_, item_rows_, logits);
  backend_.bce_with_logits(logits, targets, 1.0f / static_cast<float>(batch.examples), losses,
                           logit_gradient);
  backend_.accumulate(losses, loss_sum);
  range.next("backward");
  objective.backward(user_rows_, item_rows_, logit_gradient, users_.gradients(),
                     items_.gradients());
  users_.send_gradients(tables);
  items_.send_gradients(tables);
  range.next("optimizer");
  backend_.side_by_side([&] { users_.update(tables, state); },
                        [&] { items_.update(tables, state); });
  objective.step(state);
}

DevicePackedModel PairModel::pack() {
  DevicePackedModel packed;
  packed.backbone = backbone_;
  packed.task = name_of(TaskKind::kRanking);
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

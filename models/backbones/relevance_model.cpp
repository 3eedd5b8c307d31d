#include "models/backbones/relevance_model.hpp"

#include "host/engine/profile_range.hpp"
#include "models/scorers/relevance_scorer.hpp"

namespace mgqe {
namespace {

/// Biases are a float an item, however rows are stored: as many bytes as one component.
OptimizerOptions bias_options(const TrainConfig& config) {
  OptimizerOptions options = optimizer_options(config);
  options.row_type = RowType::kF32;
  return options;
}

}  // namespace

RelevancePredictor::RelevancePredictor(Backend& backend, std::unique_ptr<Interaction> interaction,
                                       const std::vector<TableSpec>& tables, int64_t max_pairs)
    : backend_(backend),
      interaction_(std::move(interaction)),
      orders_(backend, interaction_->symmetric(), tables.size(), max_pairs),
      logit_gradient_(backend, orders_.copies() * max_pairs) {
  if (orders_.copies() == 1) return;
  for (const TableSpec& table : tables)
    swapped_gradients_.emplace_back(backend, 2 * max_pairs, table.dim);
}

void RelevancePredictor::backward(View<const float> gradient, SideGradient gradients) {
  const int64_t pairs = gradient.size();
  const int copies = orders_.copies();
  const View<float> logit_gradient = logit_gradient_.view().slice(0, copies * pairs);
  backend_.matmul(orders_.average(), View<const float>(gradient.data, 1, pairs),
                  View<float>(logit_gradient.data, copies, pairs));
  std::vector<View<float>> left, right;
  for (size_t t = 0; t < gradients.size(); ++t) {
    left.push_back(copies == 1 ? gradients[t].slice(0, pairs) : gradients[t]);
    right.push_back(copies == 1 ? gradients[t].slice(pairs, pairs)
                                : swapped_gradients_[t].view().slice(0, 2 * pairs));
  }
  interaction_->backward(orders_.left(), orders_.right(), logit_gradient, left, right);
  if (copies == 1) return;
  for (size_t t = 0; t < gradients.size(); ++t) {
    const View<float> first = left[t].slice(0, pairs), second = left[t].slice(pairs, pairs);
    backend_.add(first, right[t].slice(pairs, pairs), first);
    backend_.add(second, right[t].slice(0, pairs), second);
  }
}

RelevanceModel::RelevanceModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                               MakeInteraction make_interaction)
    : backend_(backend),
      backbone_(config.model.name),
      mean_(static_cast<float>(catalogue.mean_target)),
      predictor_(backend, make_interaction(backend, config, 2 * config.train.batch),
                 tables_of(config, Entity::kItem), config.train.batch),
      items_(backend, config, table_group(config, Entity::kItem, catalogue.items),
             2 * config.train.batch),
      biases_(backend, kRelevanceBiases, RowSharding::whole(catalogue.items), 1,
              bias_options(config.train)),
      ids_(backend, [&] { return Tensor<int32_t>(backend, 2 * config.train.batch); }),
      predictions_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      gradient_(backend, config.train.batch),
      bias_gradient_(backend, 2 * config.train.batch),
      ones_(backend, std::vector<float>{1.0f, 1.0f}) {}

void RelevanceModel::prepare(Backend& on, const Batch& batch) {
  const auto& [left, right, targets] = batch.pairs;
  const View<int32_t> ids = ids_.turn().view().slice(0, 2 * targets.size());
  on.concatenate(left, right, ids);
  items_.prepare(on, ids, 2 * batch.examples);
}

void RelevanceModel::train_step(const Batch& batch, View<const StepState> state,
                                View<double> loss_sum) {
  const auto& [left, right, targets] = batch.pairs;
  const int64_t pairs = targets.size();
  const View<float> predictions = predictions_.view().slice(0, pairs);
  const View<float> losses = losses_.view().slice(0, pairs);
  const View<float> gradient = gradient_.view().slice(0, pairs);
  const View<float> bias_gradient = bias_gradient_.view().slice(0, 2 * pairs);

  ProfileRange range(backend_, "forward");
  items_.send_rows();
  predictor_.forward(items_.forward(), predictions);
  backend_.add_item_biases(biases_.values, mean_, left, right, predictions);
  backend_.squared_loss(predictions, targets, 1.0f / static_cast<float>(batch.examples), losses,
                        gradient);
  backend_.accumulate(losses, loss_sum);
  range.next("backward");
  predictor_.backward(gradient, items_.gradients());
  backend_.matmul(ones_, View<const float>(gradient.data, 1, pairs),
                  View<float>(bias_gradient.data, 2, pairs));
  items_.send_gradients(items_.all());
  range.next("optimizer");
  items_.update(items_.all(), state);
  biases_.step(items_.unique(), bias_gradient, state, items_.rank_rows());
  predictor_.interaction().step(state);
}

DevicePackedModel RelevanceModel::pack() {
  DevicePackedModel packed;
  packed.backbone = backbone_;
  packed.task = name_of(TaskKind::kRelevance);
  items_.pack(packed);
  predictor_.interaction().pack(packed.dense);
  biases_.pack(packed.dense);
  packed.dense.emplace(kRelevanceMean, HostArray(std::vector<float>{mean_}, {1}));
  return packed;
}

std::map<std::string, std::vector<TierReport>> RelevanceModel::tier_reports() const {
  std::map<std::string, std::vector<TierReport>> reports;
  items_.tier_reports(reports);
  return reports;
}

void RelevanceModel::visit(const TensorVisitor& visitor) {
  items_.visit(visitor);
  biases_.visit(visitor);
  predictor_.interaction().visit(visitor);
}

}  // namespace mgqe

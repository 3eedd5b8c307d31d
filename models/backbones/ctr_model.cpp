#include "models/backbones/ctr_model.hpp"

#include "host/config/choices.hpp"
#include "host/engine/profile_range.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {

CtrModel::CtrModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                   std::unique_ptr<CtrInteraction> interaction)
    : backend_(backend),
      backbone_(config.model.name),
      interaction_(std::move(interaction)),
      layout_(catalogue.layout),
      tables_(backend, config, *layout_, config.train.batch),
      logits_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      logit_gradient_(backend, config.train.batch) {}

void CtrModel::prepare(Backend& on, const Batch& batch) {
  tables_.prepare(on, batch.features.rows, batch.examples);
}

void CtrModel::train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) {
  const View<const float> labels = batch.features.labels;
  const int64_t rows = labels.size();
  const View<float> logits = logits_.view().slice(0, rows);
  const View<float> losses = losses_.view().slice(0, rows);
  const View<float> logit_gradient = logit_gradient_.view().slice(0, rows);

  ProfileRange range(backend_, "forward");
  const View<const float> vectors = tables_.forward(batch.features.rows, rows);
  interaction_->forward(vectors, batch.features.dense, logits);
  backend_.bce_with_logits(logits, labels, 1.0f / static_cast<float>(batch.examples), losses,
                           logit_gradient);
  backend_.accumulate(losses, loss_sum);
  range.next("backward");
  interaction_->backward(logit_gradient, tables_.gradient());
  range.next("optimizer");
  tables_.update(batch.features.rows, state);
  interaction_->step(state);
}

DevicePackedModel CtrModel::pack() {
  DevicePackedModel packed;
  packed.backbone = backbone_;
  packed.task = name_of(TaskKind::kCtr);
  tables_.pack(packed);
  interaction_->pack(packed.dense);
  return packed;
}

std::map<std::string, std::vector<TierReport>> CtrModel::tier_reports() const {
  std::map<std::string, std::vector<TierReport>> reports;
  tables_.tier_reports(reports);
  return reports;
}

void CtrModel::visit(const TensorVisitor& visitor) {
  tables_.visit(visitor);
  interaction_->visit(visitor);
}

void set_ctr_defaults(Config& config) {
  config.train.batch = 4096;
  // A tenth of the rate still finds better ones. Not after one evaluation: early ones may stand
  // still, and a rate that has fallen there stays where they are.
  config.train.lr_decay = 0.1;
  config.train.lr_patience = 2;
  config.train.patience = 4;
  config.embedding.dim = 16;
  config.embedding.subspaces = {8};
}

CtrSizes ctr_sizes(const Config& config, const FeatureLayout& layout) {
  return {layout.features, config.embedding.dim, layout.dense};
}

std::vector<int64_t> layer_widths(const std::vector<int>& widths, const char* flag) {
  constexpr int kWidest = 1 << 16;
  if (widths.empty() || (widths.size() == 1 && widths[0] == 0)) return {};
  for (const int width : widths)
    if (width < 1 || width > kWidest)
      input_error(flag, " ", width, " is out of range: 1 to ", kWidest,
                  ", or 0 alone for no layer");
  return {widths.begin(), widths.end()};
}

std::vector<ScoredGroup> scored_groups(const FeatureLayout& layout,
                                       const DevicePackedModel& model) {
  std::vector<ScoredGroup> groups;
  for (const FeatureGroup& group : layout.groups) {
    const DevicePackedTable& table = packed_table(model, group.table());
    if (table.form.rows != group.rows() || table.form.dim != group.embedding().dim)
      input_error("the artifact's table ", group.table(), " is of (", table.form.rows, ", ",
                  table.form.dim, ") where its fields need (", group.rows(), ", ",
                  group.embedding().dim, ")");
    groups.push_back({group.table(), group.single_features(), group.bag_features(),
                      group.most_lookups(), group.embedding().bag_pooling == BagPooling::kMean});
  }
  return groups;
}

uint64_t dense_key(const Config& config, uint64_t n) {
  return random_u64(stream_key(config.run.seed, RandomStream::kDense), n, 1);
}

}  // namespace mgqe

#include "models/backbones/neumf.hpp"

#include <algorithm>
#include <cmath>

#include "host/config/choices.hpp"
#include "host/config/scheme_traits.hpp"
#include "models/backbones/relevance_model.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/scorers/neumf_scorer.hpp"
#include "models/scorers/relevance_scorer.hpp"

namespace mgqe {
namespace {

std::unique_ptr<Interaction> make_interaction(Backend& backend, const Config& config,
                                              int64_t max_pairs) {
  return std::make_unique<Neumf>(backend, config, max_pairs);
}

/// m, the dimension of the perceptron's tables.
int64_t mlp_dim(const Config& config) {
  return config.model.mlp_dim > 0 ? config.model.mlp_dim : config.embedding.dim;
}
/// The n-th dense array of a run draws from its own key.
uint64_t dense_key(const Config& config, uint64_t n) {
  return random_u64(stream_key(config.run.seed, RandomStream::kDense), n, 1);
}

std::vector<TableSpec> tables(const Config& config) {
  const int64_t dim = config.embedding.dim, mlp = mlp_dim(config);
  const char* mlp_flag = config.model.mlp_dim > 0 ? "--mlp-dim" : "--dim";
  std::vector<TableSpec> items = {{"gmf.item", Entity::kItem, dim, "--dim",
                                   RandomStream::kItemTable, RandomStream::kItemCodebook},
                                  {"mlp.item", Entity::kItem, mlp, mlp_flag,
                                   RandomStream::kMlpItemTable, RandomStream::kMlpItemCodebook}};
  if (config.model.task == TaskKind::kRelevance) return items;
  std::vector<TableSpec> both = {{"gmf.user", Entity::kUser, dim, "--dim", RandomStream::kUserTable,
                                  RandomStream::kUserCodebook},
                                 {"mlp.user", Entity::kUser, mlp, mlp_flag,
                                  RandomStream::kMlpUserTable, RandomStream::kMlpUserCodebook}};
  both.insert(both.end(), items.begin(), items.end());
  return both;
}

void validate_options(const Config& config) {
  const ModelConfig& model = config.model;
  if (model.mlp_dim < 0 || model.mlp_dim > kMaxDim)
    input_error("--mlp-dim ", model.mlp_dim, " is out of range: 1 to ", kMaxDim,
                ", or 0 for that of --dim");
  check_not_negative("--pretrain-epochs", model.pretrain_epochs);
  if (model.pretrain_epochs > 0 && model.task == TaskKind::kRelevance)
    input_error("--pretrain-epochs is for --task ranking, not relevance");
  if (model.pretrain_epochs >= config.train.epochs)
    input_error("--pretrain-epochs ", model.pretrain_epochs, " must be below --epochs ",
                config.train.epochs, ", which counts them");
}

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);

/// Floats of h_1, h_2 and h_3 of one pair.
int64_t hidden_floats(int64_t mlp) {
  return mlp + MlpTower::middle_width(mlp) + MlpTower::top_width(mlp);
}

int64_t ranker_bytes(const ScorerPlan& plan) {
  // Products over items have the rows of a whole chunk on every rank.
  const int64_t users = NeumfRanker::kMaxUsers;
  const int64_t rows = std::min(NeumfRanker::kProductRows, plan.catalogue.items);
  const int64_t dim = plan.config.embedding.dim, mlp = mlp_dim(plan.config);
  int64_t bytes = users * (dim + 2 * mlp + 1) * kFloat +
                  rows * (dim + 2 * mlp + hidden_floats(mlp) + 2) * kFloat;
  for (const TablePlan& table : plan.tables())
    bytes += table.reader(table.entity == Entity::kUser ? 0 : rows, users, false, plan.uploaded);
  return bytes;
}

int64_t pair_scorer_bytes(const ScorerPlan& plan) {
  // Both orders of each pair, as numbers of rows of either table and through the layers.
  const int64_t pairs = RelevanceScorer::kChunk, mlp = mlp_dim(plan.config);
  return plan.relevance_scorer() + pairs * kFloat + 2 * 2 * pairs * kId +
         2 * pairs * (2 * mlp + hidden_floats(mlp)) * kFloat;
}

}  // namespace

const Backbone kNeumf = {
    .name = "neumf",
    .batch = BatchKind::kPairs,
    .options = {"mlp_dim", "pretrain_epochs"},
    .set_defaults = [](Config&) {},
    .validate = validate_options,
    .tables = tables,
    .lookups = pair_lookups,
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      auto neumf = std::make_unique<Neumf>(backend, config, config.train.batch);
      if (config.model.pretrain_epochs > 0)
        return std::make_unique<PretrainedNeumf>(backend, config, catalogue, std::move(neumf));
      return std::make_unique<PairModel>(backend, config, catalogue, std::move(neumf));
    },
    .make_ranker = [](Backend& backend, const DevicePackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<NeumfRanker>(backend, model);
    },
    .make_relevance_model = [](Backend& backend, const Config& config,
                               const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<RelevanceModel>(backend, config, catalogue, make_interaction);
    },
    .make_pair_scorer = [](Backend& backend, const DevicePackedModel& model)
        -> std::unique_ptr<PairScorer> { return make_neumf_pair_scorer(backend, model); },
    .ranker_bytes = ranker_bytes,
    .pair_scorer_bytes = pair_scorer_bytes,
    .make_item_scorer = make_neumf_item_scorer,
};

Neumf::Neumf(Backend& backend, const Config& config, int64_t max_pairs)
    : backend_(backend),
      pretrains_(config.model.pretrain_epochs > 0),
      gmf_(backend, config.embedding.dim),
      mlp_(backend, mlp_dim(config)),
      kept_(backend, mlp_dim(config), max_pairs),
      gmf_weights_(backend, gmf_.weights, optimizer_options(config.train)),
      tower_(backend, mlp_.tower, optimizer_options(config.train),
             {dense_key(config, 0), dense_key(config, 1), dense_key(config, 2)}, max_pairs),
      mlp_weights_(backend, mlp_.output, optimizer_options(config.train)),
      mlp_bias_(backend, Weights(backend, "mlp.pretrain_bias", 1), optimizer_options(config.train)),
      hidden_gradient_(backend, max_pairs, mlp_.tower.outputs()) {
  // LeCun uniform over the inputs of the prediction layer; the bias is 0.
  const float bound =
      std::sqrt(3.0f / static_cast<float>(config.embedding.dim + mlp_.tower.outputs()));
  backend.fill_uniform(gmf_.products(), dense_key(config, 3), -bound, bound);
  backend.fill_uniform(mlp_.output.values, dense_key(config, 4), -bound, bound);
}

void Neumf::set_joined(bool joined) {
  if (joined && !joined_) {
    const Heads heads = joined_heads();
    gmf_.weights.values.assign(heads.gmf);
    mlp_.output.values.assign(heads.mlp);
  }
  joined_ = joined;
}

Neumf::Heads Neumf::joined_heads() const {
  Heads heads{gmf_.weights.values.to_host(), mlp_.output.values.to_host()};
  if (joined_) return heads;
  heads.gmf.back() += mlp_bias_.values().to_host()[0];
  for (float& w : heads.gmf) w *= 0.5f;
  for (float& w : heads.mlp) w *= 0.5f;
  return heads;
}

void Neumf::forward(Side left, Side right, View<float> logits) {
  gmf_.forward(left[0], right[0], logits);
  mlp_.forward(left[1], right[1], true, logits, kept_);
}

void Neumf::backward(Side left, Side right, View<const float> logit_gradient,
                     SideGradient left_gradients, SideGradient right_gradients) {
  gmf_half_.backward(left, right, logit_gradient, left_gradients, right_gradients);
  mlp_backward(logit_gradient, left_gradients, right_gradients);
}

void Neumf::step(View<const StepState> state) {
  Trainables arrays = mlp_trainables();
  arrays.push_back(&gmf_weights_);
  step_together(arrays, state);
}

void Neumf::mlp_backward(View<const float> logit_gradient, SideGradient left_gradients,
                         SideGradient right_gradients) {
  const int64_t pairs = logit_gradient.size();
  const View<float> hidden_gradient = hidden_gradient_.view().slice(0, pairs);
  backend_.matmul(logit_gradient, transposed(mlp_weights_.values()), hidden_gradient);
  backend_.matmul(transposed(kept_.third.view().slice(0, pairs)), logit_gradient,
                  mlp_weights_.gradient);
  tower_.backward(pairs, kept_, hidden_gradient, left_gradients[1], right_gradients[1]);
}

Trainables Neumf::mlp_trainables() {
  Trainables arrays;
  tower_.list(arrays);
  arrays.push_back(&mlp_weights_);
  return arrays;
}

void Neumf::GmfHalf::forward(Side left, Side right, View<float> logits) {
  whole_.gmf_.forward(left[0], right[0], logits);
}

void Neumf::GmfHalf::backward(Side left, Side right, View<const float> logit_gradient,
                              SideGradient left_gradients, SideGradient right_gradients) {
  Trainable& weights = whole_.gmf_weights_;
  whole_.backend_.gmf_backward(left[0], right[0], weights.values(), logit_gradient,
                               left_gradients[0], right_gradients[0], weights.gradient);
}

void Neumf::GmfHalf::step(View<const StepState> state) { whole_.gmf_weights_.step(state); }

void Neumf::MlpHalf::forward(Side left, Side right, View<float> logits) {
  whole_.mlp_.forward(left[1], right[1], false, logits, whole_.kept_);
  whole_.backend_.add_bias(whole_.mlp_bias_.values(), logits);
}

void Neumf::MlpHalf::backward(Side, Side, View<const float> logit_gradient,
                              SideGradient left_gradients, SideGradient right_gradients) {
  whole_.backend_.sum_rows(logit_gradient, whole_.mlp_bias_.gradient);
  whole_.mlp_backward(logit_gradient, left_gradients, right_gradients);
}

void Neumf::MlpHalf::step(View<const StepState> state) {
  Trainables arrays = whole_.mlp_trainables();
  arrays.push_back(&whole_.mlp_bias_);
  step_together(arrays, state);
}

void Neumf::pack(ArrayMap& arrays) const {
  const Heads heads = joined_heads();
  const auto column = [](const std::vector<float>& values) {
    return HostArray(values, {static_cast<int64_t>(values.size())});
  };
  arrays.emplace(gmf_.weights.name(), column(heads.gmf));
  arrays.emplace(mlp_.output.name(), column(heads.mlp));
  mlp_.tower.pack(arrays);
}

void Neumf::visit(const TensorVisitor& visitor) {
  gmf_weights_.visit(visitor);
  tower_.visit(visitor);
  mlp_weights_.visit(visitor);
  if (pretrains_) mlp_bias_.visit(visitor);
}

// ---- the schedule -------------------------------------------------------------------------------

PretrainedNeumf::PretrainedNeumf(Backend& backend, const Config& config, const Catalogue& catalogue,
                                 std::unique_ptr<Neumf> neumf)
    : PairModel(backend, config, catalogue, std::move(neumf)),
      neumf_(static_cast<Neumf&>(interaction())),
      pretrain_epochs_(config.model.pretrain_epochs) {}

void PretrainedNeumf::begin_epoch(int epoch) {
  pretraining_ = epoch <= pretrain_epochs_;
  neumf_.set_joined(!pretraining_);
}

void PretrainedNeumf::train_step(const Batch& batch, View<const StepState> state,
                                 View<double> loss_sum) {
  if (!pretraining_) return PairModel::train_step(batch, state, loss_sum);
  look_up();
  train_objective(neumf_.gmf_half(), gmf_tables_, batch, state, loss_sum);
  train_objective(neumf_.mlp_half(), mlp_tables_, batch, state, loss_sum);
}

}  // namespace mgqe

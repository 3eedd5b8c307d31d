#include "models/backbones/neumf.hpp"

#include <algorithm>
#include <cmath>

#include "models/backbones/pair_model.hpp"
#include "models/backbones/relevance_model.hpp"

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
/// m/2 and m/4, but at least one unit.
int64_t middle_width(const Config& config) { return std::max<int64_t>(1, mlp_dim(config) / 2); }
int64_t top_width(const Config& config) { return std::max<int64_t>(1, mlp_dim(config) / 4); }

/// The n-th dense array of a run draws from its own key.
uint64_t dense_key(const Config& config, uint64_t n) {
  return random_u64(stream_key(config.run.seed, RandomStream::kDense), n, 1);
}

}  // namespace

const Backbone kNeumf = {
    .name = "neumf",
    .batch = BatchKind::kPairs,
    .set_defaults = [](Config&) {},
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<PairModel>(backend, config, catalogue, make_interaction);
    },
    .make_ranker = [](Backend& backend, const PackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<NeumfRanker>(backend, model);
    },
    .make_relevance_model = [](Backend& backend, const Config& config,
                               const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<RelevanceModel>(backend, config, catalogue, make_interaction);
    },
    .make_pair_scorer = [](Backend& backend,
                           const PackedModel& model) -> std::unique_ptr<PairScorer> {
      return std::make_unique<RelevanceScorer>(backend, model, make_interaction);
    },
};

// ---- Tower --------------------------------------------------------------------------------------

Tower::Tower(Backend& backend, const Config& config, int64_t max_pairs)
    : backend_(backend),
      dim_(mlp_dim(config)),
      weights_(backend, "mlp.0.weights", 2 * dim_, dim_, optimizer_options(config.train)),
      bias_(backend, "mlp.0.bias", dim_, 1, optimizer_options(config.train)),
      middle_(backend, "mlp.1", dim_, middle_width(config), Activation::kRelu,
              optimizer_options(config.train), dense_key(config, 1)),
      top_(backend, "mlp.2", middle_width(config), top_width(config), Activation::kRelu,
           optimizer_options(config.train), dense_key(config, 2)),
      weight_gradient_(backend, 2 * dim_, dim_),
      bias_gradient_(backend, dim_),
      left_(backend, max_pairs, dim_),
      right_(backend, max_pairs, dim_),
      first_(backend, max_pairs, dim_),
      second_(backend, max_pairs, middle_.outputs()),
      third_(backend, max_pairs, top_.outputs()),
      first_gradient_(backend, max_pairs, dim_),
      second_gradient_(backend, max_pairs, middle_.outputs()) {
  const float bound = std::sqrt(6.0f / static_cast<float>(3 * dim_));  // Glorot uniform
  backend.fill_uniform(weights_.values, dense_key(config, 0), -bound, bound);
}

View<const float> Tower::forward(Lookup left, Lookup right, int64_t pairs) {
  pairs_ = pairs;
  const View<float> first = first_.view().slice(0, pairs);
  backend_.gather(left.rows, left.index, left_.view().slice(0, pairs));
  backend_.gather(right.rows, right.index, right_.view().slice(0, pairs));
  backend_.matmul(left_.view().slice(0, pairs), left_weights(), first);
  backend_.matmul(right_.view().slice(0, pairs), right_weights(), first, true);
  backend_.add_bias_relu(bias_.values, first);
  return finish(first);
}

void Tower::project_left(View<const float> rows, View<float> out) {
  backend_.matmul(rows, left_weights(), out);
  backend_.add_bias(bias_.values, out);
}

void Tower::project_right(View<const float> rows, View<float> out) {
  backend_.matmul(rows, right_weights(), out);
}

View<const float> Tower::finish(View<const float> first) {
  middle_.forward(first, second_.view().slice(0, first.rows));
  top_.forward(second_.view().slice(0, first.rows), third_.view().slice(0, first.rows));
  return third_.view().slice(0, first.rows);
}

void Tower::backward(View<float> output_gradient, View<float> left_gradient,
                     View<float> right_gradient) {
  const View<float> first = first_.view().slice(0, pairs_);
  const View<float> second = second_.view().slice(0, pairs_);
  const View<float> first_gradient = first_gradient_.view().slice(0, pairs_);
  const View<float> second_gradient = second_gradient_.view().slice(0, pairs_);
  top_.backward(second, third_.view().slice(0, pairs_), output_gradient, second_gradient);
  middle_.backward(first, second, second_gradient, first_gradient);
  backend_.relu_backward(first, first_gradient);
  backend_.matmul(transposed(left_.view().slice(0, pairs_)), first_gradient,
                  weight_gradient_.view().slice(0, dim_));
  backend_.matmul(transposed(right_.view().slice(0, pairs_)), first_gradient,
                  weight_gradient_.view().slice(dim_, dim_));
  backend_.sum_rows(first_gradient, bias_gradient_);
  backend_.matmul(first_gradient, transposed(left_weights()), left_gradient);
  backend_.matmul(first_gradient, transposed(right_weights()), right_gradient);
}

void Tower::step(View<const StepState> state) {
  weights_.step(weight_gradient_, state);
  bias_.step(bias_gradient_, state);
  middle_.step(state);
  top_.step(state);
}

void Tower::pack(ArrayMap& arrays) const {
  weights_.pack(arrays);
  bias_.pack(arrays);
  middle_.pack(arrays);
  top_.pack(arrays);
}

void Tower::load(const ArrayMap& arrays) {
  weights_.load(arrays);
  bias_.load(arrays);
  middle_.load(arrays);
  top_.load(arrays);
}

void Tower::visit(const TensorVisitor& visitor) {
  weights_.visit(visitor);
  bias_.visit(visitor);
  middle_.visit(visitor);
  top_.visit(visitor);
}

// ---- Neumf --------------------------------------------------------------------------------------

Neumf::Neumf(Backend& backend, const Config& config, int64_t max_pairs)
    : backend_(backend),
      tables_{{"gmf.", config.embedding.dim, RandomStream::kUserTable, RandomStream::kUserCodebook,
               RandomStream::kItemTable, RandomStream::kItemCodebook},
              {"mlp.", mlp_dim(config), RandomStream::kMlpUserTable, RandomStream::kMlpUserCodebook,
               RandomStream::kMlpItemTable, RandomStream::kMlpItemCodebook}},
      pretrain_epochs_(config.model.pretrain_epochs),
      gmf_weights_(backend, "gmf.weights", config.embedding.dim + 1, 1,
                   optimizer_options(config.train)),
      tower_(backend, config, max_pairs),
      mlp_weights_(backend, "mlp.output", top_width(config), 1, optimizer_options(config.train)),
      mlp_bias_(backend, "mlp.pretrain_bias", 1, 1, optimizer_options(config.train)),
      gmf_gradient_(backend, config.embedding.dim + 1),
      mlp_gradient_(backend, top_width(config)),
      mlp_bias_gradient_(backend, 1),
      hidden_gradient_(backend, max_pairs, top_width(config)) {
  const int64_t dim = config.embedding.dim;
  // LeCun uniform over the inputs of the prediction layer; the bias is 0.
  const float bound = std::sqrt(3.0f / static_cast<float>(dim + top_width(config)));
  backend.fill_uniform(gmf_weights_.values.view().slice(0, dim), dense_key(config, 3), -bound,
                       bound);
  backend.fill_uniform(mlp_weights_.values, dense_key(config, 4), -bound, bound);
}

void Neumf::begin_epoch(int epoch) {
  const bool pretraining = epoch <= pretrain_epochs_;
  if (pretraining_ && !pretraining) {
    const Joined weights = joined();
    gmf_weights_.values.assign(weights.gmf);
    mlp_weights_.values.assign(weights.mlp);
  }
  pretraining_ = pretraining;
  part_ = Part::kBoth;
}

Neumf::Joined Neumf::joined() const {
  Joined weights{gmf_weights_.values.to_host(), mlp_weights_.values.to_host()};
  if (!pretraining_) return weights;
  weights.gmf.back() += mlp_bias_.values.to_host()[0];
  for (float& w : weights.gmf) w *= 0.5f;
  for (float& w : weights.mlp) w *= 0.5f;
  return weights;
}

void Neumf::choose_part(int part) {
  part_ = !pretraining_ ? Part::kBoth : part == 0 ? Part::kGmf : Part::kMlp;
}

std::vector<int> Neumf::part_tables() const {
  if (part_ == Part::kGmf) return {0};
  if (part_ == Part::kMlp) return {1};
  return {0, 1};
}

void Neumf::forward(Side left, Side right, View<float> logits) {
  if (part_ != Part::kMlp) backend_.gmf_forward(left[0], right[0], gmf_weights_.values, logits);
  if (part_ == Part::kGmf) return;
  hidden_ = tower_.forward(left[1], right[1], logits.size());
  backend_.matmul(hidden_, mlp_weights_.values, logits, part_ == Part::kBoth);
  if (part_ == Part::kMlp) backend_.add_bias(mlp_bias_.values, logits);
}

void Neumf::backward(Side left, Side right, View<const float> logit_gradient,
                     SideGradient left_gradients, SideGradient right_gradients) {
  if (part_ != Part::kMlp)
    backend_.gmf_backward(left[0], right[0], gmf_weights_.values, logit_gradient, left_gradients[0],
                          right_gradients[0], gmf_gradient_);
  if (part_ == Part::kGmf) return;
  const View<float> hidden_gradient = hidden_gradient_.view().slice(0, logit_gradient.size());
  backend_.matmul(logit_gradient, transposed(mlp_weights_.values), hidden_gradient);
  backend_.matmul(transposed(hidden_), logit_gradient, mlp_gradient_);
  if (part_ == Part::kMlp) backend_.sum_rows(logit_gradient, mlp_bias_gradient_);
  tower_.backward(hidden_gradient, left_gradients[1], right_gradients[1]);
}

void Neumf::step(View<const StepState> state) {
  if (part_ != Part::kMlp) gmf_weights_.step(gmf_gradient_, state);
  if (part_ == Part::kGmf) return;
  tower_.step(state);
  mlp_weights_.step(mlp_gradient_, state);
  if (part_ == Part::kMlp) mlp_bias_.step(mlp_bias_gradient_, state);
}

void Neumf::pack(ArrayMap& arrays) const {
  const Joined weights = joined();
  arrays.emplace(gmf_weights_.name(), HostArray(weights.gmf, {gmf_weights_.values.rows()}));
  arrays.emplace(mlp_weights_.name(), HostArray(weights.mlp, {mlp_weights_.values.rows()}));
  tower_.pack(arrays);
}

void Neumf::load(const ArrayMap& arrays) {
  gmf_weights_.load(arrays);
  mlp_weights_.load(arrays);
  tower_.load(arrays);
}

void Neumf::visit(const TensorVisitor& visitor) {
  gmf_weights_.visit(visitor);
  tower_.visit(visitor);
  mlp_weights_.visit(visitor);
  if (pretrain_epochs_ > 0) mlp_bias_.visit(visitor);
}

}  // namespace mgqe

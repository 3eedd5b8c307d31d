#include "models/backbones/neumf.hpp"

#include <cmath>

#include "models/backbones/pair_model.hpp"
#include "models/backbones/relevance_model.hpp"
#include "models/scorers/neumf_scorer.hpp"

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

}  // namespace

const Backbone kNeumf = {
    .name = "neumf",
    .batch = BatchKind::kPairs,
    .set_defaults = [](Config&) {},
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<PairModel>(backend, config, catalogue, make_interaction);
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
};

Neumf::Neumf(Backend& backend, const Config& config, int64_t max_pairs)
    : backend_(backend),
      tables_{{"gmf.", config.embedding.dim, RandomStream::kUserTable, RandomStream::kUserCodebook,
               RandomStream::kItemTable, RandomStream::kItemCodebook},
              {"mlp.", mlp_dim(config), RandomStream::kMlpUserTable, RandomStream::kMlpUserCodebook,
               RandomStream::kMlpItemTable, RandomStream::kMlpItemCodebook}},
      pretrain_epochs_(config.model.pretrain_epochs),
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

void Neumf::begin_epoch(int epoch) {
  const bool pretraining = epoch <= pretrain_epochs_;
  if (pretraining_ && !pretraining) {
    const Joined weights = joined();
    gmf_weights_.values().assign(weights.gmf);
    mlp_weights_.values().assign(weights.mlp);
  }
  pretraining_ = pretraining;
  part_ = Part::kBoth;
}

Neumf::Joined Neumf::joined() const {
  Joined weights{gmf_weights_.values().to_host(), mlp_weights_.values().to_host()};
  if (!pretraining_) return weights;
  weights.gmf.back() += mlp_bias_.values().to_host()[0];
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
  pairs_ = logits.size();
  if (part_ != Part::kMlp) gmf_.forward(left[0], right[0], logits);
  if (part_ == Part::kGmf) return;
  mlp_.forward(left[1], right[1], part_ == Part::kBoth, logits, kept_);
  if (part_ == Part::kMlp) backend_.add_bias(mlp_bias_.values(), logits);
}

void Neumf::backward(Side left, Side right, View<const float> logit_gradient,
                     SideGradient left_gradients, SideGradient right_gradients) {
  if (part_ != Part::kMlp)
    backend_.gmf_backward(left[0], right[0], gmf_weights_.values(), logit_gradient,
                          left_gradients[0], right_gradients[0], gmf_weights_.gradient);
  if (part_ == Part::kGmf) return;
  const View<float> hidden_gradient = hidden_gradient_.view().slice(0, pairs_);
  backend_.matmul(logit_gradient, transposed(mlp_weights_.values()), hidden_gradient);
  backend_.matmul(transposed(kept_.third.view().slice(0, pairs_)), logit_gradient,
                  mlp_weights_.gradient);
  if (part_ == Part::kMlp) backend_.sum_rows(logit_gradient, mlp_bias_.gradient);
  tower_.backward(pairs_, kept_, hidden_gradient, left_gradients[1], right_gradients[1]);
}

void Neumf::step(View<const StepState> state) {
  if (part_ != Part::kMlp) gmf_weights_.step(state);
  if (part_ == Part::kGmf) return;
  tower_.step(state);
  mlp_weights_.step(state);
  if (part_ == Part::kMlp) mlp_bias_.step(state);
}

void Neumf::pack(ArrayMap& arrays) const {
  const Joined weights = joined();
  const auto column = [](const std::vector<float>& values) {
    return HostArray(values, {static_cast<int64_t>(values.size())});
  };
  arrays.emplace(gmf_.weights.name(), column(weights.gmf));
  arrays.emplace(mlp_.output.name(), column(weights.mlp));
  mlp_.tower.pack(arrays);
}

void Neumf::visit(const TensorVisitor& visitor) {
  gmf_weights_.visit(visitor);
  tower_.visit(visitor);
  mlp_weights_.visit(visitor);
  if (pretrain_epochs_ > 0) mlp_bias_.visit(visitor);
}

}  // namespace mgqe

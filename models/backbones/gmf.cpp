#include "models/backbones/gmf.hpp"

#include <cmath>

#include "host/config/choices.hpp"
#include "models/backbones/pair_model.hpp"
#include "models/backbones/relevance_model.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/scorers/gmf_scorer.hpp"

namespace mgqe {
namespace {

std::unique_ptr<Interaction> make_interaction(Backend& backend, const Config& config,
                                              int64_t /*max_pairs*/) {
  return std::make_unique<Gmf>(backend, config);
}

std::vector<TableSpec> tables(const Config& config) {
  const TableSpec users{"user",
                        Entity::kUser,
                        config.embedding.dim,
                        "--dim",
                        RandomStream::kUserTable,
                        RandomStream::kUserCodebook};
  const TableSpec items{"item",
                        Entity::kItem,
                        config.embedding.dim,
                        "--dim",
                        RandomStream::kItemTable,
                        RandomStream::kItemCodebook};
  if (config.model.task == TaskKind::kRelevance) return {items};
  return {users, items};
}

}  // namespace

const Backbone kGmf = {
    .name = "gmf",
    .batch = BatchKind::kPairs,
    .set_defaults = [](Config&) {},
    .validate = nullptr,
    .tables = tables,
    .lookups = pair_lookups,
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<PairModel>(backend, config, catalogue,
                                         make_interaction(backend, config, config.train.batch));
    },
    .make_ranker = [](Backend& backend, const DevicePackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<GmfRanker>(backend, model);
    },
    .make_relevance_model = [](Backend& backend, const Config& config,
                               const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<RelevanceModel>(backend, config, catalogue, make_interaction);
    },
    .make_pair_scorer = [](Backend& backend, const DevicePackedModel& model)
        -> std::unique_ptr<PairScorer> { return make_gmf_pair_scorer(backend, model); },
    .ranker_bytes =
        [](const ScorerPlan& plan) {
          // Users' vectors, the positives' rows and scores.
          constexpr int64_t kUsers = GmfRanker::kMaxUsers;
          return plan.scan_readers(kUsers, kUsers) +
                 kUsers * (2 * plan.config.embedding.dim + 1) * int64_t{sizeof(float)};
        },
    .pair_scorer_bytes = [](const ScorerPlan& plan) { return plan.relevance_scorer(); },
    .make_item_scorer = make_gmf_item_scorer,
};

Gmf::Gmf(Backend& backend, const Config& config)
    : backend_(backend),
      layer_(backend, config.embedding.dim),
      weights_(backend, layer_.weights, optimizer_options(config.train)) {
  const int64_t dim = config.embedding.dim;
  const float bound = std::sqrt(3.0f / static_cast<float>(dim));  // LeCun uniform; bias 0
  backend.fill_uniform(layer_.products(), stream_key(config.run.seed, RandomStream::kDense), -bound,
                       bound);
}

void Gmf::forward(Side left, Side right, View<float> logits) {
  layer_.forward(left[0], right[0], logits);
}

void Gmf::backward(Side left, Side right, View<const float> logit_gradient,
                   SideGradient left_gradients, SideGradient right_gradients) {
  backend_.gmf_backward(left[0], right[0], weights_.values(), logit_gradient, left_gradients[0],
                        right_gradients[0], weights_.gradient);
}

}  // namespace mgqe

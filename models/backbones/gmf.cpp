#include "models/backbones/gmf.hpp"

#include <cmath>

#include "models/backbones/pair_model.hpp"
#include "models/backbones/relevance_model.hpp"

namespace mgqe {
namespace {

std::unique_ptr<Interaction> make_interaction(Backend& backend, const Config& config,
                                              int64_t /*max_pairs*/) {
  return std::make_unique<Gmf>(backend, config);
}

}  // namespace

const Backbone kGmf = {
    .name = "gmf",
    .batch = BatchKind::kPairs,
    .set_defaults = [](Config&) {},
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<PairModel>(backend, config, catalogue, make_interaction);
    },
    .make_ranker = [](Backend& backend, const PackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<GmfRanker>(backend, model);
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

Gmf::Gmf(Backend& backend, const Config& config)
    : backend_(backend),
      tables_{{"", config.embedding.dim, RandomStream::kUserTable, RandomStream::kUserCodebook,
               RandomStream::kItemTable, RandomStream::kItemCodebook}},
      weights_(backend, "gmf.weights", config.embedding.dim + 1, 1,
               optimizer_options(config.train)),
      weight_gradient_(backend, config.embedding.dim + 1) {
  const int64_t dim = config.embedding.dim;
  const float bound = std::sqrt(3.0f / static_cast<float>(dim));  // LeCun uniform; bias 0
  backend.fill_uniform(weights_.values.view().slice(0, dim),
                       stream_key(config.run.seed, RandomStream::kDense), -bound, bound);
}

void Gmf::forward(Side left, Side right, View<float> logits) {
  backend_.gmf_forward(left[0], right[0], weights_.values, logits);
}

void Gmf::backward(Side left, Side right, View<const float> logit_gradient,
                   SideGradient left_gradients, SideGradient right_gradients) {
  backend_.gmf_backward(left[0], right[0], weights_.values, logit_gradient, left_gradients[0],
                        right_gradients[0], weight_gradient_);
}

GmfRanker::GmfRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      users_(decode_table(backend, packed_table(model, "user"))),
      items_(decode_table(backend, packed_table(model, "item"))),
      user_vectors_(backend, max_users(), users_.cols()) {
  const Tensor<float> weights(backend, packed_array(model, "gmf.weights"));
  if (weights.rows() != users_.cols() + 1 || items_.cols() != users_.cols())
    input_error("the artifact's gmf.weights and tables do not fit each other");
  backend.scale_columns(users_, weights.view().slice(0, users_.cols()), users_);
}

void GmfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const View<float> vectors = user_vectors_.view().slice(0, batch.users.size());
  backend_.gather(users_, batch.users, vectors);
  const RankQuery query{vectors, items_, batch.positives};
  backend_.rank_candidates(query, batch.candidates, sampled);
  backend_.rank_all(query, batch.excluded, full);
}

}  // namespace mgqe

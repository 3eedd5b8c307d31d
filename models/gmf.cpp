#include "models/gmf.hpp"

#include <cmath>

namespace mgqe {
namespace {

EmbeddingSpec embedding_spec(const Config& config, std::string name, int64_t rows,
                             RandomStream table, RandomStream codebook) {
  return {std::move(name),
          rows,
          config.train.batch,
          config.embedding,
          optimizer_options(config.train),
          stream_key(config.run.seed, table),
          stream_key(config.run.seed, codebook)};
}

}  // namespace

Gmf::Gmf(Backend& backend, const Config& config, int64_t users, int64_t items)
    : backend_(backend),
      users_(make_embedding(backend, embedding_spec(config, "user", users, RandomStream::kUserTable,
                                                    RandomStream::kUserCodebook))),
      items_(make_embedding(backend, embedding_spec(config, "item", items, RandomStream::kItemTable,
                                                    RandomStream::kItemCodebook))),
      weights_(backend, "gmf.weights", config.embedding.dim + 1, 1,
               optimizer_options(config.train)),
      weight_gradient_(backend, config.embedding.dim + 1),
      logits_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      logit_gradient_(backend, config.train.batch),
      user_gradient_(backend, config.train.batch, config.embedding.dim),
      item_gradient_(backend, config.train.batch, config.embedding.dim) {
  const int64_t dim = config.embedding.dim;
  const float bound = std::sqrt(3.0f / static_cast<float>(dim));  // LeCun uniform; bias 0
  backend.fill_uniform(weights_.values.view().slice(0, dim),
                       stream_key(config.run.seed, RandomStream::kDense), -bound, bound);
}

void Gmf::train_step(const PairBatch& batch, View<const StepState> state, View<double> loss_sum) {
  const int64_t pairs = batch.labels.size();
  const View<float> logits = logits_.view().slice(0, pairs);
  const View<float> losses = losses_.view().slice(0, pairs);
  const View<float> logit_gradient = logit_gradient_.view().slice(0, pairs);
  const View<float> user_gradient = user_gradient_.view().slice(0, pairs);
  const View<float> item_gradient = item_gradient_.view().slice(0, pairs);

  const Lookup users = users_->forward(batch.users);
  const Lookup items = items_->forward(batch.items);
  backend_.gmf_forward(users, items, weights_.values, logits);
  backend_.bce_with_logits(logits, batch.labels, 1.0f / static_cast<float>(pairs), losses,
                           logit_gradient);
  backend_.accumulate(losses, loss_sum);
  backend_.gmf_backward(users, items, weights_.values, logit_gradient, user_gradient, item_gradient,
                        weight_gradient_);
  users_->backward(user_gradient, state);
  items_->backward(item_gradient, state);
  weights_.step(weight_gradient_, state);
}

PackedModel Gmf::pack() {
  PackedModel packed;
  packed.backbone = "gmf";
  packed.tables.emplace("user", users_->pack());
  packed.tables.emplace("item", items_->pack());
  packed.dense.emplace("gmf.weights",
                       HostArray(weights_.values.to_host(), {weights_.values.rows()}));
  return packed;
}

std::map<std::string, std::vector<TierReport>> Gmf::tier_reports() const {
  return {{"user", users_->tier_reports()}, {"item", items_->tier_reports()}};
}

void Gmf::visit(const TensorVisitor& visitor) {
  users_->visit(visitor);
  items_->visit(visitor);
  weights_.visit(visitor);
}

GmfRanker::GmfRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      users_(decode_table(backend, model.tables.at("user"))),
      items_(decode_table(backend, model.tables.at("item"))) {
  const Tensor<float> weights(backend, model.dense.at("gmf.weights").as<float>());
  backend.scale_columns(users_, weights.view().slice(0, users_.cols()), users_);
}

RankQuery GmfRanker::query(View<const int32_t> users, View<const int32_t> positives) {
  if (user_vectors_.rows() != users.size())
    user_vectors_ = Tensor<float>(backend_, users.size(), users_.cols());
  backend_.gather(users_, users, user_vectors_);
  return {user_vectors_, items_, positives};
}

void GmfRanker::rank_all(View<const int32_t> users, View<const int32_t> positives,
                         Histories excluded, RankCounts counts) {
  backend_.rank_all(query(users, positives), excluded, counts);
}

void GmfRanker::rank_candidates(View<const int32_t> users, View<const int32_t> positives,
                                View<const int32_t> candidates, RankCounts counts) {
  backend_.rank_candidates(query(users, positives), candidates, counts);
}

}  // namespace mgqe

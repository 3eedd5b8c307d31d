// Ranking by NeuMF: no dot product, so scores are computed for one user and a chunk of items at a
// time. Of the first layer, x = relu(p W_left + b + q W_right), both summands are computed once.
#include <algorithm>

#include "models/neumf.hpp"

namespace mgqe {
namespace {

constexpr int64_t kItemChunk = 4096;
constexpr int64_t kMaxScores = int64_t{1} << 24;  // (users of a batch, items) held at a time

}  // namespace

NeumfRanker::NeumfRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      gmf_users_(decode_table(backend, packed_table(model, "gmf.user"))),
      gmf_items_(decode_table(backend, packed_table(model, "gmf.item"))),
      mlp_users_(decode_table(backend, packed_table(model, "mlp.user"))),
      mlp_items_(decode_table(backend, packed_table(model, "mlp.item"))),
      mlp_weights_(backend, packed_array(model, "mlp.output")) {
  const Config config = served_config(model);
  const int64_t dim = config.embedding.dim, items = gmf_items_.rows();
  tower_ = std::make_unique<Tower>(backend, config, kItemChunk);
  tower_->load(model.dense);
  const Tensor<float> gmf_weights(backend, packed_array(model, "gmf.weights"));
  if (gmf_weights.rows() != dim + 1 || mlp_weights_.rows() != tower_->outputs() ||
      mlp_items_.rows() != items || mlp_users_.rows() != gmf_users_.rows())
    input_error("the artifact's tables and weights do not fit each other");
  backend.scale_columns(gmf_users_, gmf_weights.view().slice(0, dim), gmf_users_);

  Tensor<float> users(backend, mlp_users_.rows(), dim), projected(backend, items, dim);
  tower_->project_left(mlp_users_, users);
  tower_->project_right(mlp_items_, projected);
  mlp_users_ = std::move(users);
  mlp_items_ = std::move(projected);

  ones_ = Tensor<float>(backend, std::vector<float>(static_cast<size_t>(dim), 1.0f));
  max_users_ = std::clamp<int64_t>(kMaxScores / items, 1, 256);
  first_ = Tensor<float>(backend, kItemChunk, dim);
  scores_ = Tensor<float>(backend, max_users_, items);
  user_gmf_ = Tensor<float>(backend, max_users_, dim);
  user_mlp_ = Tensor<float>(backend, max_users_, dim);
}

void NeumfRanker::score_user(int64_t user, View<float> scores) {
  const int64_t dim = gmf_items_.cols();
  const View<const float> gmf(user_gmf_.view().row(user), dim);
  const View<const float> mlp(user_mlp_.view().row(user), dim);
  for (int64_t begin = 0; begin < scores.size(); begin += kItemChunk) {
    const int64_t items = std::min(kItemChunk, scores.size() - begin);
    const View<float> first = first_.view().slice(0, items);
    const View<float> out = scores.slice(begin, items);
    backend_.scale_columns(mlp_items_.view().slice(begin, items), ones_, first);
    backend_.add_bias_relu(mlp, first);
    backend_.matmul(tower_->finish(first), mlp_weights_, out);
    backend_.matmul(gmf_items_.view().slice(begin, items), gmf, out, true);
  }
}

void NeumfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const int64_t users = batch.users.size(), items = gmf_items_.rows();
  backend_.gather(gmf_users_, batch.users, user_gmf_.view().slice(0, users));
  backend_.gather(mlp_users_, batch.users, user_mlp_.view().slice(0, users));
  for (int64_t m = 0; m < users; ++m) score_user(m, View<float>(scores_.view().row(m), items));
  const View<const float> scores = scores_.view().slice(0, users);
  backend_.rank_candidate_scores(scores, batch.positives, batch.candidates, sampled);
  backend_.rank_all_scores(scores, batch.positives, batch.excluded, full);
}

}  // namespace mgqe

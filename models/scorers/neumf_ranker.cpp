// Ranking by NeuMF: no dot product, so scores are computed for one user and a chunk of items at a
// time, and counted before the next user's: (users, items) never exists. Of the first layer, x =
// relu(p W_left + b + q W_right), both summands are computed once.
//
// Items of equal codes have to tie wherever they stand, and a product may sum in another order for
// another number of rows. So every chunk has the same number: the last one is filled up.
#include <algorithm>

#include "models/backbones/neumf.hpp"

namespace mgqe {
namespace {

constexpr int64_t kItemChunk = 4096;
constexpr int64_t kMaxUsers = 256;  // of a batch: their rows are gathered at a time

}  // namespace

NeumfRanker::NeumfRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      gmf_users_(decode_table(backend, packed_table(model, "gmf.user"))),
      mlp_users_(decode_table(backend, packed_table(model, "mlp.user"))),
      gmf_items_(decode_table(backend, packed_table(model, "gmf.item"))),
      mlp_items_(decode_table(backend, packed_table(model, "mlp.item"))),
      mlp_weights_(backend, packed_array(model, "mlp.output")),
      items_(gmf_items_.rows()),
      chunk_(std::min(kItemChunk, items_)) {
  const Config config = served_config(model);
  const int64_t dim = config.embedding.dim, mlp_dim = config.model.mlp_dim;
  tower_ = std::make_unique<Tower>(backend, config, chunk_);
  tower_->load(model.dense);
  const Tensor<float> gmf_weights(backend, packed_array(model, "gmf.weights"));
  if (gmf_weights.rows() != dim + 1 || mlp_weights_.rows() != tower_->outputs() ||
      mlp_items_.rows() != items_ || mlp_users_.rows() != gmf_users_.rows())
    input_error("the artifact's tables and weights do not fit each other");
  backend.scale_columns(gmf_users_, gmf_weights.view().slice(0, dim), gmf_users_);

  ones_ =
      Tensor<float>(backend, std::vector<float>(static_cast<size_t>(std::max(dim, mlp_dim)), 1.0f));
  const int64_t filled_up = (items_ + chunk_ - 1) / chunk_ * chunk_;
  Tensor<float> left(backend, mlp_users_.rows(), mlp_dim), right(backend, filled_up, mlp_dim),
      gmf(backend, filled_up, dim);
  tower_->project_left(mlp_users_, left);
  tower_->project_right(mlp_items_, right.view().slice(0, items_));
  backend.scale_columns(gmf_items_, ones_.view().slice(0, dim), gmf.view().slice(0, items_));
  mlp_users_ = std::move(left);
  mlp_items_ = std::move(right);
  gmf_items_ = std::move(gmf);

  first_ = Tensor<float>(backend, chunk_, mlp_dim);
  scores_ = Tensor<float>(backend, filled_up);
  user_gmf_ = Tensor<float>(backend, kMaxUsers, dim);
  user_mlp_ = Tensor<float>(backend, kMaxUsers, mlp_dim);
}

int64_t NeumfRanker::max_users() const { return kMaxUsers; }

View<const float> NeumfRanker::score_user(int64_t user) {
  const int64_t mlp_dim = mlp_items_.cols();
  const View<const float> gmf(user_gmf_.view().row(user), gmf_items_.cols());
  const View<const float> mlp(user_mlp_.view().row(user), mlp_dim);
  for (int64_t begin = 0; begin < items_; begin += chunk_) {
    const View<float> out = scores_.view().slice(begin, chunk_);
    backend_.scale_columns(mlp_items_.view().slice(begin, chunk_), ones_.view().slice(0, mlp_dim),
                           first_);
    backend_.add_bias_relu(mlp, first_);
    backend_.matmul(tower_->finish(first_), mlp_weights_, out);
    backend_.matmul(gmf_items_.view().slice(begin, chunk_), gmf, out, true);
  }
  return {scores_.data(), 1, items_};
}

void NeumfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const int64_t users = batch.users.size();
  backend_.gather(gmf_users_, batch.users, user_gmf_.view().slice(0, users));
  backend_.gather(mlp_users_, batch.users, user_mlp_.view().slice(0, users));
  for (int64_t m = 0; m < users; ++m) {
    const View<const float> scores = score_user(m);
    const View<const int32_t> positive = batch.positives.slice(m, 1);
    const auto of_user = [m](RankCounts counts) {
      return RankCounts{counts.greater.slice(m, 1), counts.ties.slice(m, 1)};
    };
    backend_.rank_candidate_scores(scores, positive, batch.candidates.slice(m, 1),
                                   of_user(sampled));
    const Histories excluded{batch.excluded.offsets.slice(m, 2), batch.excluded.items};
    backend_.rank_all_scores(scores, positive, excluded, of_user(full));
  }
}

}  // namespace mgqe

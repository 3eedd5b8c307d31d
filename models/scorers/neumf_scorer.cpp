#include "models/scorers/neumf_scorer.hpp"

#include <algorithm>

#include "models/layers/pair_layers.hpp"
#include "models/scorers/relevance_scorer.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

constexpr int64_t kItemChunk = 4096;
constexpr int64_t kMaxUsers = 256;  // of a batch: their rows are gathered at a time

class NeumfPairs final : public PairForward {
 public:
  NeumfPairs(Backend& backend, const PackedModel& model, int64_t max_pairs)
      : gmf_(backend, packed_dim(model, "gmf.item", "gmf.")),
        mlp_(backend, packed_dim(model, "mlp.item", "mlp.")),
        scratch_(backend, mlp_.tower.dim(), max_pairs) {
    gmf_.weights.load(model.dense);
    mlp_.tower.load(model.dense);
    mlp_.output.load(model.dense);
  }
  bool symmetric() const override { return false; }
  void forward(Side left, Side right, View<float> logits) override {
    gmf_.forward(left[0], right[0], logits);
    mlp_.forward(left[1], right[1], true, logits, scratch_);
  }

 private:
  GmfLayer gmf_;
  MlpLayers mlp_;
  TowerActivations scratch_;
};

}  // namespace

NeumfRanker::NeumfRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      gmf_users_(decode_table(backend, packed_table(model, "gmf.user"))),
      mlp_users_(decode_table(backend, packed_table(model, "mlp.user"))),
      gmf_items_(decode_table(backend, packed_table(model, "gmf.item"))),
      mlp_items_(decode_table(backend, packed_table(model, "mlp.item"))),
      mlp_weights_(backend, packed_array(model, "mlp.output")),
      tower_(backend, packed_dim(model, "mlp.item", "mlp.")),
      items_(gmf_items_.rows()),
      chunk_(std::min(kItemChunk, items_)) {
  const int64_t dim = packed_dim(model, "gmf.item", "gmf."), mlp_dim = tower_.dim();
  tower_.load(model.dense);
  const Tensor<float> gmf_weights(backend, packed_array(model, "gmf.weights"));
  if (gmf_weights.rows() != dim + 1 || mlp_weights_.rows() != tower_.outputs() ||
      mlp_items_.rows() != items_ || mlp_users_.rows() != gmf_users_.rows())
    input_error("the artifact's tables and weights do not fit each other");
  backend.scale_columns(gmf_users_, gmf_weights.view().slice(0, dim), gmf_users_);

  ones_ =
      Tensor<float>(backend, std::vector<float>(static_cast<size_t>(std::max(dim, mlp_dim)), 1.0f));
  const int64_t filled_up = (items_ + chunk_ - 1) / chunk_ * chunk_;
  Tensor<float> left(backend, mlp_users_.rows(), mlp_dim), right(backend, filled_up, mlp_dim),
      gmf(backend, filled_up, dim);
  tower_.project_left(mlp_users_, left);
  tower_.project_right(mlp_items_, right.view().slice(0, items_));
  backend.scale_columns(gmf_items_, ones_.view().slice(0, dim), gmf.view().slice(0, items_));
  mlp_users_ = std::move(left);
  mlp_items_ = std::move(right);
  gmf_items_ = std::move(gmf);

  first_ = Tensor<float>(backend, chunk_, mlp_dim);
  second_ = Tensor<float>(backend, chunk_, tower_.middle.outputs());
  third_ = Tensor<float>(backend, chunk_, tower_.outputs());
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
    tower_.finish(first_, second_, third_);
    backend_.matmul(third_, mlp_weights_, out);
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

std::unique_ptr<PairScorer> make_neumf_pair_scorer(Backend& backend, const PackedModel& model) {
  return std::make_unique<RelevanceScorer>(
      backend, model, std::vector<std::string>{"gmf.item", "mlp.item"},
      std::make_unique<NeumfPairs>(backend, model, 2 * RelevanceScorer::kChunk));
}

}  // namespace mgqe

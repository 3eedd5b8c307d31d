#include "models/scorers/neumf_scorer.hpp"

#include <algorithm>

#include "models/layers/pair_layers.hpp"
#include "models/scorers/relevance_scorer.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

class NeumfPairs final : public PairForward {
 public:
  NeumfPairs(Backend& backend, const DevicePackedModel& model, int64_t max_pairs)
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

NeumfRanker::NeumfRanker(Backend& backend, const DevicePackedModel& model)
    : backend_(backend),
      together_(any_sharded(model)),
      chunk_(std::min(kProductRows, packed_table(model, "gmf.item").form.rows)),
      chunks_(backend.communicator(), packed_table(model, "gmf.item"), together_, chunk_),
      gmf_users_(backend, packed_table(model, "gmf.user"), {.ids = kMaxUsers}),
      mlp_users_(backend, packed_table(model, "mlp.user"), {.ids = kMaxUsers}),
      gmf_items_(backend, packed_table(model, "gmf.item"), {.decode = chunk_, .ids = kMaxUsers}),
      mlp_items_(backend, packed_table(model, "mlp.item"), {.decode = chunk_, .ids = kMaxUsers}),
      gmf_weights_(backend, packed_array(model, "gmf.weights")),
      mlp_weights_(backend, packed_array(model, "mlp.output")),
      tower_(backend, packed_dim(model, "mlp.item", "mlp.")) {
  const int64_t dim = packed_dim(model, "gmf.item", "gmf."), mlp_dim = tower_.dim();
  tower_.load(model.dense);
  if (gmf_weights_.rows() != dim + 1 || mlp_weights_.rows() != tower_.outputs() ||
      mlp_items_.rows() != gmf_items_.rows() || mlp_users_.rows() != gmf_users_.rows())
    input_error("the artifact's tables and weights do not fit each other");
  user_gmf_ = Tensor<float>(backend, kMaxUsers, dim);
  user_rows_ = Tensor<float>(backend, kMaxUsers, mlp_dim);
  user_mlp_ = Tensor<float>(backend, kMaxUsers, mlp_dim);
  item_gmf_ = Tensor<float>(backend, chunk_, dim);
  item_rows_ = Tensor<float>(backend, chunk_, mlp_dim);
  item_mlp_ = Tensor<float>(backend, chunk_, mlp_dim);
  first_ = Tensor<float>(backend, chunk_, mlp_dim);
  second_ = Tensor<float>(backend, chunk_, tower_.middle.outputs());
  third_ = Tensor<float>(backend, chunk_, tower_.outputs());
  no_bias_ = Tensor<float>(backend, mlp_dim);
  base_ = Tensor<float>(backend, chunk_);
  scores_ = Tensor<float>(backend, chunk_);
  positive_scores_ = Tensor<float>(backend, kMaxUsers);
}

void NeumfRanker::fetch_users(View<const int32_t> users) {
  const View<float> gmf = user_gmf_.view().slice(0, users.size());
  gmf_users_.fetch(users, gmf);
  backend_.scale_columns(gmf, gmf_weights_.view().slice(0, gmf.cols), gmf);
  mlp_users_.fetch(users, user_rows_.view().slice(0, users.size()));
  tower_.project_left(user_rows_, user_mlp_);
}

void NeumfRanker::finish(View<float> out) {
  tower_.finish(first_, second_, third_);
  backend_.matmul(third_, mlp_weights_, out);
}

void NeumfRanker::score_positives(View<const int32_t> positives) {
  for (int64_t begin = 0; begin < positives.size(); begin += chunk_) {
    const int64_t here = std::min(chunk_, positives.size() - begin);
    const View<const int32_t> items = positives.slice(begin, here);
    const View<float> first = first_.view().slice(0, here);
    gmf_items_.fetch(items, item_gmf_.view().slice(0, here));
    mlp_items_.fetch(items, item_rows_.view().slice(0, here));
    tower_.project_right(item_rows_, item_mlp_);
    backend_.add(item_mlp_.view().slice(0, here), user_mlp_.view().slice(begin, here), first);
    backend_.add_bias_relu(no_bias_, first);
    finish(base_);
    for (int64_t m = 0; m < here; ++m) {  // user m's score stands at row m of its own product
      const View<const float> gmf(user_gmf_.view().row(begin + m), item_gmf_.cols());
      backend_.copy_values(base_, scores_);
      backend_.matmul(item_gmf_, gmf, scores_, true);
      backend_.copy_values(scores_.view().slice(m, 1), positive_scores_.view().slice(begin + m, 1));
    }
  }
}

void NeumfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const int64_t users = batch.users.size();
  fetch_users(batch.users);
  score_positives(batch.positives);
  zero_counts(backend_, sampled);
  zero_counts(backend_, full);
  chunks_.for_each([&](int64_t begin, const ItemChunk& chunk) {
    gmf_items_.decode(begin, item_gmf_.view().slice(0, chunk.rows));
    mlp_items_.decode(begin, item_rows_.view().slice(0, chunk.rows));
    tower_.project_right(item_rows_, item_mlp_);
    for (int64_t m = 0; m < users; ++m) {
      const View<const float> gmf(user_gmf_.view().row(m), item_gmf_.cols());
      backend_.copy_values(item_mlp_, first_);
      backend_.add_bias_relu({user_mlp_.view().row(m), item_mlp_.cols()}, first_);
      finish(scores_);
      backend_.matmul(item_gmf_, gmf, scores_, true);
      const Positives positive{batch.positives.slice(m, 1), positive_scores_.view().slice(m, 1)};
      const ScoreQuery query{{scores_.data(), 1, chunk.rows}, chunk, positive};
      const auto of_user = [m](RankCounts counts) {
        return RankCounts{counts.greater.slice(m, 1), counts.ties.slice(m, 1)};
      };
      backend_.count_candidate_scores(query, batch.candidates.slice(m, 1), of_user(sampled));
      const Histories excluded{batch.excluded.offsets.slice(m, 2), batch.excluded.items};
      backend_.count_scores(query, excluded, of_user(full));
    }
  });
}

std::unique_ptr<PairScorer> make_neumf_pair_scorer(Backend& backend,
                                                   const DevicePackedModel& model) {
  return std::make_unique<RelevanceScorer>(
      backend, model, std::vector<std::string>{"gmf.item", "mlp.item"},
      std::make_unique<NeumfPairs>(backend, model, 2 * RelevanceScorer::kChunk));
}

}  // namespace mgqe

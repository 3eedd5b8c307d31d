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

class NeumfItemScorer final : public ItemScorer {
 public:
  NeumfItemScorer(Backend& backend, const RowSources& model)
      : gmf_users_(model.table("gmf.user")),
        mlp_users_(model.table("mlp.user")),
        gmf_items_(model.table("gmf.item")),
        mlp_items_(model.table("mlp.item")),
        scores_(backend, model.dense(), gmf_items_.dim(), mlp_items_.dim(), kMaxUsers,
                std::min(NeumfRanker::kProductRows, gmf_items_.rows())) {
    if (gmf_users_.dim() != gmf_items_.dim() || mlp_users_.dim() != mlp_items_.dim() ||
        gmf_users_.rows() != mlp_users_.rows() || gmf_items_.rows() != mlp_items_.rows())
      input_error("the artifact's tables do not fit each other");
  }

  Reads reads() const override { return Reads::kUser; }
  std::string table() const override { return "gmf.item"; }
  bool dot_product() const override { return false; }

  void vectors(std::span<const Question> questions, View<float> out) override {
    for (size_t i = 0; i < questions.size(); ++i) {
      take_user(questions[i]);
      std::copy_n(scores_.gmf_users(1).data, out.cols, out.row(static_cast<int64_t>(i)));
    }
  }

  void score_all(const Question& question, View<float> scores) override {
    take_user(question);
    for (int64_t first = 0; first < scores.size(); first += scores_.chunk()) {
      const int64_t count = std::min(scores_.chunk(), scores.size() - first);
      gmf_items_.range(first, scores_.gmf_items(count));
      mlp_items_.range(first, scores_.mlp_items(count));
      scores_.take_items();
      std::copy_n(scores_.score(0).data, count, scores.data + first);
    }
  }

  void score(const Question& question, std::span<const int32_t> items,
             View<float> scores) override {
    take_user(question);
    const auto chunk = static_cast<size_t>(scores_.chunk());
    for (size_t first = 0; first < items.size(); first += chunk) {
      const auto here = items.subspan(first, std::min(chunk, items.size() - first));
      gmf_items_.fetch(here, scores_.gmf_items(static_cast<int64_t>(here.size())));
      mlp_items_.fetch(here, scores_.mlp_items(static_cast<int64_t>(here.size())));
      scores_.take_items();
      std::copy_n(scores_.score(0).data, here.size(), scores.data + first);
    }
  }

 private:
  static constexpr int64_t kMaxUsers = 1;

  void take_user(const Question& question) {
    const std::span<const int32_t> user(&question.user, 1);
    gmf_users_.fetch(user, scores_.gmf_users(1));
    mlp_users_.fetch(user, scores_.mlp_users(1));
    scores_.take_users(1);
  }

  const RowSource &gmf_users_, &mlp_users_, &gmf_items_, &mlp_items_;
  NeumfScores scores_;
};

}  // namespace

NeumfScores::NeumfScores(Backend& backend, const ArrayMap& dense, int64_t gmf_dim, int64_t mlp_dim,
                         int64_t max_users, int64_t chunk)
    : backend_(backend),
      gmf_weights_(backend, packed_array(dense, "gmf.weights")),
      mlp_weights_(backend, packed_array(dense, "mlp.output")),
      tower_(backend, mlp_dim),
      user_gmf_(backend, max_users, gmf_dim),
      user_rows_(backend, max_users, mlp_dim),
      user_mlp_(backend, max_users, mlp_dim),
      item_gmf_(backend, chunk, gmf_dim),
      item_rows_(backend, chunk, mlp_dim),
      item_mlp_(backend, chunk, mlp_dim),
      first_(backend, chunk, mlp_dim),
      second_(backend, chunk, tower_.middle.outputs()),
      third_(backend, chunk, tower_.outputs()),
      no_bias_(backend, mlp_dim),
      base_(backend, chunk),
      scores_(backend, chunk) {
  tower_.load(dense);
  if (gmf_weights_.rows() != gmf_dim + 1 || mlp_weights_.rows() != tower_.outputs())
    input_error("the artifact's tables and weights do not fit each other");
}

void NeumfScores::take_users(int64_t count) {
  const View<float> gmf = gmf_users(count);
  backend_.scale_columns(gmf, gmf_weights_.view().slice(0, gmf.cols), gmf);
  tower_.project_left(user_rows_, user_mlp_);
}

void NeumfScores::take_items() { tower_.project_right(item_rows_, item_mlp_); }

void NeumfScores::finish(View<float> out) {
  tower_.finish(first_, second_, third_);
  backend_.matmul(third_, mlp_weights_, out);
}

View<const float> NeumfScores::score(int64_t m) {
  const View<const float> gmf(user_gmf_.view().row(m), item_gmf_.cols());
  backend_.copy_values(item_mlp_, first_);
  backend_.add_bias_relu({user_mlp_.view().row(m), item_mlp_.cols()}, first_);
  finish(scores_);
  backend_.matmul(item_gmf_, gmf, scores_, true);
  return scores_;
}

void NeumfScores::score_each(int64_t begin, View<float> out) {
  const int64_t here = out.size();
  const View<float> first = first_.view().slice(0, here);
  backend_.add(item_mlp_.view().slice(0, here), user_mlp_.view().slice(begin, here), first);
  backend_.add_bias_relu(no_bias_, first);
  finish(base_);
  for (int64_t m = 0; m < here; ++m) {  // user m's score stands at row m of its own product
    const View<const float> gmf(user_gmf_.view().row(begin + m), item_gmf_.cols());
    backend_.copy_values(base_, scores_);
    backend_.matmul(item_gmf_, gmf, scores_, true);
    backend_.copy_values(scores_.view().slice(m, 1), out.slice(m, 1));
  }
}

NeumfRanker::NeumfRanker(Backend& backend, const DevicePackedModel& model)
    : backend_(backend),
      together_(any_sharded(model)),
      chunk_(std::min(kProductRows, packed_table(model, "gmf.item").form.rows)),
      chunks_(backend.communicator(), packed_table(model, "gmf.item"), together_, chunk_),
      gmf_users_(backend, packed_table(model, "gmf.user"), {.ids = kMaxUsers}),
      mlp_users_(backend, packed_table(model, "mlp.user"), {.ids = kMaxUsers}),
      gmf_items_(backend, packed_table(model, "gmf.item"), {.decode = chunk_, .ids = kMaxUsers}),
      mlp_items_(backend, packed_table(model, "mlp.item"), {.decode = chunk_, .ids = kMaxUsers}),
      scores_(backend, model.dense, packed_dim(model, "gmf.item", "gmf."),
              packed_dim(model, "mlp.item", "mlp."), kMaxUsers, chunk_),
      positive_scores_(backend, kMaxUsers) {
  if (mlp_items_.rows() != gmf_items_.rows() || mlp_users_.rows() != gmf_users_.rows())
    input_error("the artifact's tables and weights do not fit each other");
}

void NeumfRanker::score_positives(View<const int32_t> positives) {
  for (int64_t begin = 0; begin < positives.size(); begin += chunk_) {
    const int64_t here = std::min(chunk_, positives.size() - begin);
    const View<const int32_t> items = positives.slice(begin, here);
    gmf_items_.fetch(items, scores_.gmf_items(here));
    mlp_items_.fetch(items, scores_.mlp_items(here));
    scores_.take_items();
    scores_.score_each(begin, positive_scores_.view().slice(begin, here));
  }
}

void NeumfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const int64_t users = batch.users.size();
  gmf_users_.fetch(batch.users, scores_.gmf_users(users));
  mlp_users_.fetch(batch.users, scores_.mlp_users(users));
  scores_.take_users(users);
  score_positives(batch.positives);
  zero_counts(backend_, sampled);
  zero_counts(backend_, full);
  chunks_.for_each([&](int64_t begin, const ItemChunk& chunk) {
    gmf_items_.decode(begin, scores_.gmf_items(chunk.rows));
    mlp_items_.decode(begin, scores_.mlp_items(chunk.rows));
    scores_.take_items();
    for (int64_t m = 0; m < users; ++m) {
      const Positives positive{batch.positives.slice(m, 1), positive_scores_.view().slice(m, 1)};
      const ScoreQuery query{{scores_.score(m).data, 1, chunk.rows}, chunk, positive};
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

std::unique_ptr<ItemScorer> make_neumf_item_scorer(Backend& backend, const RowSources& model) {
  return std::make_unique<NeumfItemScorer>(backend, model);
}

}  // namespace mgqe

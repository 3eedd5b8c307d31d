#include "models/scorers/gmf_scorer.hpp"

#include "models/layers/pair_layers.hpp"
#include "models/scorers/relevance_scorer.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

class GmfPairs final : public PairForward {
 public:
  GmfPairs(Backend& backend, const DevicePackedModel& model)
      : layer_(backend, packed_dim(model, "item", "")) {
    layer_.weights.load(model.dense);
  }
  bool symmetric() const override { return true; }
  void forward(Side left, Side right, View<float> logits) override {
    layer_.forward(left[0], right[0], logits);
  }

 private:
  GmfLayer layer_;
};

class GmfItemScorer final : public ItemScorer {
 public:
  GmfItemScorer(Backend& backend, const RowSources& model)
      : backend_(backend), users_(model.table("user")), layer_(backend, users_.dim()) {
    layer_.weights.load(model.dense());
    if (model.table("item").dim() != users_.dim())
      input_error("the artifact's tables differ in dimension: user has ", users_.dim(), ", item ",
                  model.table("item").dim());
  }
  Reads reads() const override { return Reads::kUser; }
  std::string table() const override { return "item"; }
  void vectors(std::span<const Question> questions, View<float> out) override {
    std::vector<int32_t> users;
    for (const Question& question : questions) users.push_back(question.user);
    users_.fetch(users, out);
    backend_.scale_columns(out, layer_.products(), out);
  }

 private:
  Backend& backend_;
  const RowSource& users_;
  GmfLayer layer_;
};

}  // namespace

GmfRanker::GmfRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items)
    : backend_(backend),
      together_(any_sharded(model)),
      users_(backend, packed_table(model, "user"), {.ids = max_users()}),
      items_(backend, packed_table(model, "item"), {max_users(), 0}, together_, chunk_items),
      weights_(backend, packed_array(model.dense, "gmf.weights")),
      user_vectors_(backend, max_users(), users_.dim()) {
  if (weights_.rows() != users_.dim() + 1 || items_.dim() != users_.dim())
    input_error("the artifact's gmf.weights and tables do not fit each other");
}

void GmfRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const View<float> vectors = user_vectors_.view().slice(0, batch.users.size());
  users_.fetch(batch.users, vectors);
  backend_.scale_columns(vectors, weights_.view().slice(0, vectors.cols), vectors);
  items_.rank(vectors, batch, sampled, full);
}

std::unique_ptr<PairScorer> make_gmf_pair_scorer(Backend& backend, const DevicePackedModel& model) {
  return std::make_unique<RelevanceScorer>(backend, model, std::vector<std::string>{"item"},
                                           std::make_unique<GmfPairs>(backend, model));
}

std::unique_ptr<ItemScorer> make_gmf_item_scorer(Backend& backend, const RowSources& model) {
  return std::make_unique<GmfItemScorer>(backend, model);
}

}  // namespace mgqe

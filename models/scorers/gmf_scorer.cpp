#include "models/scorers/gmf_scorer.hpp"

#include "models/layers/pair_layers.hpp"
#include "models/scorers/relevance_scorer.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

class GmfPairs final : public PairForward {
 public:
  GmfPairs(Backend& backend, const PackedModel& model)
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

}  // namespace

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

std::unique_ptr<PairScorer> make_gmf_pair_scorer(Backend& backend, const PackedModel& model) {
  return std::make_unique<RelevanceScorer>(backend, model, std::vector<std::string>{"item"},
                                           std::make_unique<GmfPairs>(backend, model));
}

}  // namespace mgqe

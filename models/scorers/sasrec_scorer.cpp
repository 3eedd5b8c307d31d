#include "models/scorers/sasrec_scorer.hpp"

#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

SasrecShape served_shape(const PackedModel& model) {
  const SasrecShape shape = packed_sasrec_shape(model.dense);
  if (shape.dim != packed_dim(model, "item", "") || shape.heads < 1 || shape.dim % shape.heads != 0)
    input_error("the artifact's tables, positions and heads do not fit each other");
  return shape;
}

}  // namespace

SasrecRanker::SasrecRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      items_(decode_table(backend, packed_table(model, "item"))),
      user_vectors_(backend, kMaxUsers, items_.cols()),
      encoder_(backend, served_shape(model)),
      scratch_(backend, encoder_.shape(), kMaxUsers * encoder_.shape().max_length,
               SasrecActivations::Keep::kLast) {
  encoder_.load(model.dense);
}

void SasrecRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const UserHistories& histories = batch.histories;
  const View<const float> hidden = encoder_.forward({items_, histories.items}, histories.sequences,
                                                    histories.positions, {}, scratch_);
  const View<float> vectors = user_vectors_.view().slice(0, batch.users.size());
  backend_.gather(hidden, histories.last, vectors);
  const RankQuery query{vectors, items_, batch.positives};
  backend_.rank_candidates(query, batch.candidates, sampled);
  backend_.rank_all(query, batch.excluded, full);
}

}  // namespace mgqe

#include "models/scorers/sasrec_scorer.hpp"

#include <algorithm>
#include <numeric>

#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

SasrecShape served_shape(const DevicePackedModel& model) {
  const SasrecShape shape = packed_sasrec_shape(model.dense);
  if (shape.dim != packed_dim(model, "item", "") || shape.heads < 1 || shape.dim % shape.heads != 0)
    input_error("the artifact's tables, positions and heads do not fit each other");
  return shape;
}

}  // namespace

SasrecRanker::SasrecRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items)
    : backend_(backend),
      together_(any_sharded(model)),
      user_vectors_(backend, kMaxUsers, packed_table(model, "item").form.dim),
      encoder_(backend, served_shape(model)),
      scratch_(backend, encoder_.shape(), max_tokens(), SasrecActivations::Keep::kLast),
      items_(backend, packed_table(model, "item"), {kMaxUsers, max_tokens()}, together_,
             chunk_items),
      history_rows_(backend, max_tokens(), items_.dim()) {
  encoder_.load(model.dense);
  std::vector<int32_t> numbers(static_cast<size_t>(max_tokens()));
  std::iota(numbers.begin(), numbers.end(), 0);
  token_numbers_ = Tensor<int32_t>(backend, numbers);
}

void SasrecRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const UserHistories& histories = batch.histories;
  const int64_t tokens = histories.items.size();
  const View<float> rows = history_rows_.view().slice(0, tokens);
  items_.fetch(histories.items, rows);
  const View<const float> hidden =
      encoder_.forward({rows, token_numbers_.view().slice(0, tokens)}, histories.sequences,
                       histories.positions, {}, scratch_);
  const View<float> vectors = user_vectors_.view().slice(0, batch.users.size());
  backend_.gather(hidden, histories.last, vectors);
  items_.rank(vectors, batch, sampled, full);
}

}  // namespace mgqe

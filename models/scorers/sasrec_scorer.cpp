#include "models/scorers/sasrec_scorer.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "models/scorers/history_tokens.hpp"
#include "models/scorers/served_model.hpp"

namespace mgqe {
namespace {

SasrecShape served_shape(const ArrayMap& dense, int64_t dim) {
  const SasrecShape shape = packed_sasrec_shape(dense);
  if (shape.dim != dim || shape.heads < 1 || shape.dim % shape.heads != 0)
    input_error("the artifact's tables, positions and heads do not fit each other");
  return shape;
}

class SasrecItemScorer final : public ItemScorer {
 public:
  SasrecItemScorer(Backend& backend, const RowSources& model)
      : items_(model.table("item")), users_(backend, model.dense(), items_.dim(), kMaxUsers) {}

  Reads reads() const override { return Reads::kHistory; }
  int64_t max_length() const override { return users_.shape().max_length; }
  std::string table() const override { return "item"; }

  void vectors(std::span<const Question> questions, View<float> out) override {
    for (size_t first = 0; first < questions.size(); first += kMaxUsers) {
      const auto batch =
          questions.subspan(first, std::min<size_t>(kMaxUsers, questions.size() - first));
      const View<const float> encoded = encode(batch);
      std::copy_n(encoded.data, encoded.size(), out.row(static_cast<int64_t>(first)));
    }
  }

 private:
  static constexpr int64_t kMaxUsers = 16;  // one is asked about, or a few

  View<const float> encode(std::span<const Question> questions) {
    HistoryTokens tokens(max_length());
    for (const Question& question : questions) tokens.add(question.history);
    items_.fetch(tokens.items, users_.rows(static_cast<int64_t>(tokens.items.size())));
    return users_.encode(tokens.histories());
  }

  const RowSource& items_;
  SasrecUsers users_;
};

}  // namespace

SasrecUsers::SasrecUsers(Backend& backend, const ArrayMap& dense, int64_t dim, int64_t max_users)
    : encoder_(backend, served_shape(dense, dim)),
      scratch_(backend, encoder_.shape(), max_users * encoder_.shape().max_length,
               SasrecActivations::Keep::kLast),
      rows_(backend, max_users * encoder_.shape().max_length, dim) {
  encoder_.load(dense);
  std::vector<int32_t> numbers(static_cast<size_t>(max_tokens()));
  std::iota(numbers.begin(), numbers.end(), 0);
  token_numbers_ = Tensor<int32_t>(backend, numbers);
}

View<const float> SasrecUsers::encode(const UserHistories& histories) {
  const int64_t tokens = histories.positions.size();
  return encoder_.forward_last({rows(tokens), token_numbers_.view().slice(0, tokens)},
                               histories.sequences, histories.positions, histories.last, scratch_);
}

SasrecRanker::SasrecRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items)
    : backend_(backend),
      together_(any_sharded(model)),
      users_(backend, model.dense, packed_dim(model, "item", ""), kMaxHistories),
      items_(backend, packed_table(model, "item"), {kMaxUsers, users_.max_tokens()}, together_,
             chunk_items),
      vectors_(backend, kMaxUsers, items_.dim()) {}

void SasrecRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  int64_t users = 0;
  for (const UserHistories& part : batch.histories) {
    items_.fetch(part.items, users_.rows(part.items.size()));
    const View<const float> encoded = users_.encode(part);
    backend_.copy_values(encoded, vectors_.view().slice(users, encoded.rows));
    users += encoded.rows;
  }
  MGQE_CHECK(users == batch.users.size(), users, " histories of ", batch.users.size(), " users");
  items_.rank(vectors_.view().slice(0, users), batch, sampled, full);
}

std::unique_ptr<ItemScorer> make_sasrec_item_scorer(Backend& backend, const RowSources& model) {
  return std::make_unique<SasrecItemScorer>(backend, model);
}

}  // namespace mgqe

// SASRec as it is served: items are ranked by h of the user's last token.
#pragma once

#include <memory>

#include "models/layers/sasrec_encoder.hpp"
#include "models/scorers/item_scan.hpp"
#include "models/scorers/item_scorer.hpp"

namespace mgqe {

/// Users' vectors from what they did.
class SasrecUsers {
 public:
  /// dim: that of the item table.
  SasrecUsers(Backend& backend, const ArrayMap& dense, int64_t dim, int64_t max_users);

  const SasrecShape& shape() const { return encoder_.shape(); }
  int64_t max_tokens() const { return rows_.rows(); }
  /// Where encode() finds the item row of each token, (T, d).
  View<float> rows(int64_t tokens) const { return rows_.view().slice(0, tokens); }
  /// (M, d): h of each user's last token, valid until the next call.
  View<const float> encode(const UserHistories& histories);

 private:
  SasrecEncoder encoder_;
  SasrecActivations scratch_;
  Tensor<float> rows_;             // (T, d) of the last batch
  Tensor<int32_t> token_numbers_;  // (T) 0, 1, 2, ...
};

class SasrecRanker final : public Ranker {
 public:
  SasrecRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items = kItemChunk);

  static constexpr int64_t kMaxUsers = 1024;     // for whom the catalogue is decoded once
  static constexpr int64_t kMaxHistories = 128;  // whose tokens' activations are held
  int64_t max_users() const override { return kMaxUsers; }
  int64_t max_histories() const override { return kMaxHistories; }
  bool together() const override { return together_; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  Backend& backend_;
  bool together_;
  SasrecUsers users_;
  ItemScan items_;         // fetches as many rows as histories have tokens
  Tensor<float> vectors_;  // (max users, d)
};

std::unique_ptr<ItemScorer> make_sasrec_item_scorer(Backend& backend, const RowSources& model);

}  // namespace mgqe

// SASRec as it is served: items are ranked by h of the user's last token.
#pragma once

#include "models/layers/sasrec_encoder.hpp"
#include "models/scorers/item_scan.hpp"

namespace mgqe {

class SasrecRanker final : public Ranker {
 public:
  SasrecRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items = kItemChunk);

  static constexpr int64_t kMaxUsers = 128;
  int64_t max_users() const override { return kMaxUsers; }
  bool together() const override { return together_; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  int64_t max_tokens() const { return kMaxUsers * encoder_.shape().max_length; }

  Backend& backend_;
  bool together_;
  Tensor<float> user_vectors_;  // (max users, d)
  SasrecEncoder encoder_;
  SasrecActivations scratch_;
  ItemScan items_;                 // fetches as many rows as histories have tokens
  Tensor<float> history_rows_;     // (T, d) of the last batch
  Tensor<int32_t> token_numbers_;  // (T) 0, 1, 2, ...
};

}  // namespace mgqe

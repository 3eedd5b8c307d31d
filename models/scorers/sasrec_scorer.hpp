// SASRec as it is served: items are ranked by h of the user's last token.
#pragma once

#include "host/packed/packed_model.hpp"
#include "models/layers/sasrec_encoder.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

class SasrecRanker final : public Ranker {
 public:
  SasrecRanker(Backend& backend, const PackedModel& model);

  int64_t max_users() const override { return kMaxUsers; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  static constexpr int64_t kMaxUsers = 128;

  Backend& backend_;
  Tensor<float> items_;         // (items, d)
  Tensor<float> user_vectors_;  // (max users, d)
  SasrecEncoder encoder_;
  SasrecActivations scratch_;
};

}  // namespace mgqe

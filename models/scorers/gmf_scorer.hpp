// GMF as it is served. The bias shifts all scores alike, so the rank of an item is that of
// <w * p_u, q_i>.
#pragma once

#include <memory>

#include "models/scorers/item_scan.hpp"
#include "models/scorers/item_scorer.hpp"

namespace mgqe {

class GmfRanker final : public Ranker {
 public:
  GmfRanker(Backend& backend, const DevicePackedModel& model, int64_t chunk_items = kItemChunk);

  static constexpr int64_t kMaxUsers = 2048;
  int64_t max_users() const override { return kMaxUsers; }
  bool together() const override { return together_; }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override;

 private:
  Backend& backend_;
  bool together_;
  PackedRows users_;
  ItemScan items_;
  Tensor<float> weights_;       // (d + 1)
  Tensor<float> user_vectors_;  // (max users, d) of the last batch, scaled by w
};

/// Scores without the bias, which all items share.
std::unique_ptr<ItemScorer> make_gmf_item_scorer(Backend& backend, const RowSources& model);

std::unique_ptr<PairScorer> make_gmf_pair_scorer(Backend& backend, const DevicePackedModel& model);

}  // namespace mgqe

// MGQE with a shared codebook and variable K (the paper's default): ids of tier i may use only the
// first K_i centroids of each subspace. One tier is plain DPQ.
//
// Training is DPQ-VQ (Chen & Sun 2019): forward returns the nearest centroids c of the query row e;
// the task gradient passes straight through to e; the codebook follows its own loss,
// weight * mean over look-ups and dimensions of (c - sg(e))^2.
#pragma once

#include "models/embedding.hpp"

namespace mgqe {

class MgqeEmbedding final : public Embedding {
 public:
  MgqeEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(View<const int32_t> ids) override;
  void backward(View<const float> gradient, View<const StepState> state) override;
  PackedTable pack() override;
  std::vector<TierReport> tier_reports() const override { return reports_; }
  void visit(const TensorVisitor& visitor) override;

 private:
  void pack_tier(int tier, PackedTable& packed);

  Backend& backend_;
  int subspaces_;
  float codebook_weight_;
  Tiers tiers_;
  TableParameter queries_;           // (n, d)
  Parameter codebook_;               // (K, d)
  Tensor<float> half_norms_;         // (K, D)
  Tensor<float> codebook_gradient_;  // (K, d)
  Tensor<uint8_t> codes_;            // (max look-ups, D)
  Tensor<float> decoded_;            // (max look-ups, d)
  UniqueBuffer unique_buffer_;
  UniqueIds unique_;                 // of the last forward
  std::vector<TierReport> reports_;  // of the last pack
};

}  // namespace mgqe

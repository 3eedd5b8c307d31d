// A table sharded over ranks: each has an embedding of its own rows and serves them to all. Codes
// travel where rows are made of codes, D bytes instead of 4 d, because the codebooks are
// everywhere.
#pragma once

#include "models/embeddings/embedding.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

class ShardedEmbedding final : public Embedding {
 public:
  /// spec: of the whole table, max_lookups of one rank. The tables of one side share the exchange,
  /// which has been prepared for the batch when its rows are sent.
  ShardedEmbedding(Backend& backend, EmbeddingSpec spec, SparseAllToAll& exchange);

  /// ids: the exchange's.
  void send_rows(const IdBatch& ids) override;
  Lookup forward(const IdBatch& ids) override;
  void send_gradient(View<const float> gradient) override;
  void backward(View<const float> gradient, View<const StepState> state) override;
  int64_t wire_bytes() const override { return share_->wire_bytes(); }
  DevicePackedTable pack() override { return share_->pack(); }
  std::vector<TierReport> tier_reports() const override { return share_->tier_reports(); }
  void visit(const TensorVisitor& visitor) override { share_->visit(visitor); }

 private:
  View<float> owned_gradient() const {
    return gradient_.view().slice(0, exchange_.owned_ids().size());
  }
  View<Bfloat16> narrow_owned_gradient() const {
    return narrow_gradient_.view().slice(0, exchange_.owned_ids().size());
  }

  SparseAllToAll& exchange_;
  std::unique_ptr<Embedding> share_;  // this rank's rows
  Tensor<uint8_t> owned_, requests_;  // (R, wire bytes), (U, wire bytes)
  Tensor<float> rows_;                // (U, d) as they came
  Tensor<float> sums_, gradient_;     // (U, d) to owners, (R, d) from all ranks
  // The same on their way, rounded to nearest: only under --gradient-type bf16.
  Tensor<Bfloat16> narrow_sums_, narrow_gradient_;
  Tensor<int32_t> positions_;  // (max look-ups) 0, 1, 2, ...
};

}  // namespace mgqe

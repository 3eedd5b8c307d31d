// A table sharded over ranks: each has an embedding of its own rows and serves them to all, as its
// WireCodec says.
#pragma once

#include "models/embeddings/embedding.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

class ShardedEmbedding final : public Embedding {
 public:
  /// spec: of the whole table, max_lookups of one rank. The tables of one side share the exchange,
  /// which has been prepared for the batch when its rows are sent.
  ShardedEmbedding(Backend& backend, EmbeddingSpec spec, SparseAllToAll& exchange);

  // Rows, and their gradients, travel. Each pass is in two, and ops called in between run beside
  // the exchange.
  /// Before forward: begins to send the rows that other ranks look up. ids: the exchange's.
  void send_rows(const IdBatch& ids);
  Lookup forward(const IdBatch& ids) override;
  /// Before backward: begins to send gradients to the owners of their rows.
  void send_gradient(View<const float> gradient);
  /// Of the rows owned, from the gradients sent.
  void backward(View<const float>) override;
  void step(View<const StepState> state) override { share_->step(state); }
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

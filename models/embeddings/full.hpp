// The full table: one trained f32 row per id. What every other scheme is measured against.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class FullEmbedding final : public Embedding {
 public:
  FullEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override { gradient_ = gradient; }
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override { table_.visit(visitor); }

  View<const float> rows() const { return table_.values; }
  const RowSharding& sharding() const { return sharding_; }

 private:
  RowSharding sharding_;
  TrainableTable table_;  // (n, d)
  UniqueIds unique_;      // of the last forward
  std::span<const int64_t> rank_rows_;
  View<const float> gradient_;  // of the last backward
};

}  // namespace mgqe

// Low-rank factorization: the table is factor (n, r) times basis (r, d), and the full one is never
// formed in training. With the factors f of a batch (B, r), its basis b and the gradient g (B, d),
//   rows = f b,  df = g b^T,  db = f^T g.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class LowRankEmbedding final : public Embedding {
 public:
  LowRankEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override;

 private:
  RowSharding sharding_;
  TrainableTable factor_;           // (n, r)
  Trainable basis_;                 // (r, d)
  Tensor<float> factors_;           // (max look-ups, r), of the last forward
  Tensor<float> rows_;              // (max look-ups, d)
  Tensor<float> factor_gradient_;   // (max look-ups, r)
  Tensor<int32_t> lookup_numbers_;  // (max look-ups) 0, 1, 2, ...
  UniqueIds unique_;                // of the last forward
  std::span<const int64_t> rank_rows_;
};

}  // namespace mgqe

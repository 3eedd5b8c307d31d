// MEmCom (Pansare et al. 2022): m shared rows and a factor of each id's own; id i is row i mod m
// times factor i. As ids are ranks of popularity, the m most popular do not meet each other; in one
// table of many features, whose rows lie feature by feature, heads of two of them may.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class MemcomEmbedding final : public Embedding {
 public:
  MemcomEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Lookup shared_rows() const { return {table_.values, buckets_.view().slice(0, lookups_)}; }

  int64_t lookups_ = 0;             // of the last forward
  TrainableTable table_;            // (m, d)
  TrainableTable factors_;          // (n, 1)
  Tensor<int32_t> buckets_;         // (max look-ups)
  Tensor<float> batch_factors_;     // (max look-ups, 1)
  Tensor<float> factor_gradient_;   // (max look-ups, 1)
  Tensor<float> rows_;              // (max look-ups, d)
  Tensor<float> row_gradient_;      // (max look-ups, d)
  Tensor<int32_t> lookup_numbers_;  // (max look-ups) 0, 1, 2, ...
  UniqueBuffer unique_buffer_;
  UniqueIds unique_buckets_, unique_ids_;  // of the last forward
  std::span<const int64_t> rank_rows_;
};

}  // namespace mgqe

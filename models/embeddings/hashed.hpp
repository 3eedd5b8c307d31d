// The hashing trick (Weinberger et al. 2009): m trained rows, and id i is served by row hash(i) mod
// m. Ids of the same bucket share their row, its gradient and its optimizer state. `multiplexed` is
// the same over one table of many features (Coleman et al. 2023): as each id of each feature is a
// row number of its own there, a feature's place among those numbers is its salt.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class HashedEmbedding final : public Embedding {
 public:
  HashedEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override { gradient_ = gradient; }
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override { table_.visit(visitor); }

 private:
  std::string scheme_;       // hashed or multiplexed
  int64_t rows_;             // n
  TrainableTable table_;     // (m, d)
  Tensor<int32_t> buckets_;  // (max look-ups), of the last forward
  UniqueBuffer unique_buffer_;
  UniqueIds unique_;            // distinct buckets of the last forward
  View<const float> gradient_;  // of the last backward
};

}  // namespace mgqe

// Complementary partitions by quotient and remainder (Shi et al. 2020): id i is the product,
// element by element, of row i / m of one table and row i mod m of another, so that no two ids
// share both.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class QuotientRemainderEmbedding final : public Embedding {
 public:
  QuotientRemainderEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override;

 private:
  /// One of the two tables, and what the last batch looks up in it.
  struct Part {
    Part(Backend& backend, const EmbeddingSpec& spec, const std::string& name, int64_t rows);
    Lookup lookup(int64_t lookups) const { return {table.values, ids.view().slice(0, lookups)}; }
    void sort(int64_t lookups);
    void step(int64_t lookups, View<const StepState> state);

    TrainableTable table;
    Tensor<int32_t> ids;     // (max look-ups)
    Tensor<float> gradient;  // (max look-ups, d)
    UniqueBuffer buffer;
    UniqueIds unique;
  };

  int64_t rows_;                    // n
  int64_t lookups_ = 0;             // of the last forward
  Part quotients_, remainders_;     // (ceil(n / m), d), (m, d)
  Tensor<float> products_;          // (max look-ups, d)
  Tensor<int32_t> lookup_numbers_;  // (max look-ups) 0, 1, 2, ...
};

}  // namespace mgqe

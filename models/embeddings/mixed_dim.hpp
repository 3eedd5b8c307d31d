// Mixed dimensions (Ginart et al. 2021): the ids of tier i have rows of width w_i, narrower the
// rarer they are, and a projection (w_i, d) of the tier makes them d wide; none where w_i = d. Of a
// batch each tier gives the rows that are its own and zeros for others, and a look-up is their sum.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

class MixedDimEmbedding final : public Embedding {
 public:
  MixedDimEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override;

 private:
  struct Block {
    int64_t begin, rows, width;
    std::unique_ptr<TrainableTable> table;  // (rows, width)
    std::unique_ptr<Trainable> projection;  // (width, d) where width < d
    Tensor<int32_t> ids;                    // (max look-ups), of the last forward
    Tensor<float> narrow, gradient;         // (max look-ups, width)
    std::unique_ptr<UniqueBuffer> buffer;
    UniqueIds unique;
  };

  int64_t rows_;         // n
  int64_t lookups_ = 0;  // of the last forward
  std::vector<Block> blocks_;
  Tensor<float> sums_;              // (max look-ups, d)
  Tensor<int32_t> lookup_numbers_;  // (max look-ups) 0, 1, 2, ...
};

}  // namespace mgqe

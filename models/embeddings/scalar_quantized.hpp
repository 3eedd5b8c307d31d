// Scalar quantization, a two-step scheme: training knows a full table alone; pack() rounds each
// component to one of 2^b even buckets between its column's least and greatest value.
#pragma once

#include "models/embeddings/full.hpp"

namespace mgqe {

class ScalarQuantizedEmbedding final : public Embedding {
 public:
  ScalarQuantizedEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override { return full_.forward(ids); }
  void backward(View<const float> gradient) override { full_.backward(gradient); }
  void step(View<const StepState> state) override { full_.step(state); }
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override { full_.visit(visitor); }

 private:
  int bits_;
  FullEmbedding full_;
};

}  // namespace mgqe

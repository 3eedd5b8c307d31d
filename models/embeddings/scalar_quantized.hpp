// Scalar quantization, a two-step scheme: training knows a full table alone; pack() rounds each
// component to one of 2^b even buckets between its column's least and greatest value.
#pragma once

#include "models/embeddings/full.hpp"

namespace mgqe {

class ScalarQuantizedEmbedding final : public Embedding {
 public:
  ScalarQuantizedEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override { return full_.forward(ids); }
  void backward(View<const float> gradient, View<const StepState> state) override {
    full_.backward(gradient, state);
  }
  int64_t wire_bytes() const override { return full_.wire_bytes(); }
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override { full_.visit(visitor); }

 private:
  int bits_;
  FullEmbedding full_;
};

}  // namespace mgqe

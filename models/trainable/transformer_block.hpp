// The training half of a self-attention block.
#pragma once

#include "models/layers/transformer_block.hpp"
#include "models/trainable/layer_norm.hpp"
#include "models/trainable/linear.hpp"

namespace mgqe {

/// Gradients of the arrays of a pass over up to T tokens; every block uses them in its turn.
struct TransformerGradients {
  TransformerGradients(Backend& backend, int64_t max_tokens, int64_t dim);

  Tensor<float> middle, hidden, q, k, v;  // (T, d)
};

class TrainableTransformerBlock {
 public:
  TrainableTransformerBlock(Backend& backend, TransformerBlock& block,
                            const OptimizerOptions& options, uint64_t key);

  /// gradient (T, d) by out becomes the one by x; x, the pass and what was kept are those of the
  /// block's forward.
  void backward(View<const float> x, Sequences sequences, const DropoutPass& pass,
                const TransformerActivations& kept, TransformerGradients& scratch,
                View<float> gradient);
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  const TransformerBlock& block_;
  TrainableLayerNorm attention_norm_, forward_norm_;
  TrainableLinear query_, key_, value_, expand_, contract_;
};

}  // namespace mgqe

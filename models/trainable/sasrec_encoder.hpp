// The training half of SASRec's encoder.
#pragma once

#include <vector>

#include "models/layers/sasrec_encoder.hpp"
#include "models/trainable/transformer_block.hpp"

namespace mgqe {

class TrainableSasrecEncoder {
 public:
  /// dense_key: of the random start. Room for passes of max_tokens.
  TrainableSasrecEncoder(Backend& backend, SasrecEncoder& encoder, const OptimizerOptions& options,
                         uint64_t dense_key, int64_t max_tokens);

  /// gradient (T, d) by h is overwritten; item_gradient (T, d) by the item rows. The rest as in the
  /// encoder's forward, which kept the activations of all blocks.
  void backward(Sequences sequences, const DropoutPass& pass, SasrecActivations& kept,
                View<float> gradient, View<float> item_gradient);
  void step(View<const StepState> state);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  const SasrecEncoder& encoder_;
  Trainable positions_;  // (max length, d)
  std::vector<TrainableTransformerBlock> blocks_;
  TrainableLayerNorm final_norm_;
  TransformerGradients scratch_;
  Tensor<float> block_gradient_;  // (T, d)
  Tensor<float> input_scale_;     // (d) of sqrt(d)
};

}  // namespace mgqe

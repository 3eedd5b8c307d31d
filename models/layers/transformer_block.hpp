// One self-attention block of SASRec (Kang & McAuley 2018, section 3.2), as its authors' code
// computes it:
//   n = LN(x),  y = n + Attention(n W_q, x W_k, x W_v),
//   m = LN(y),  out = m + dropout(dropout(relu(m W_1)) W_2),
// every product with a bias, dropout on the attention weights, no output projection.
#pragma once

#include "models/layers/layer_norm.hpp"
#include "models/layers/linear.hpp"

namespace mgqe {

struct TransformerShape {
  int64_t dim = 64;
  int heads = 1;
  float dropout = 0.0f;
  int64_t max_tokens = 0;
};

/// One pass over the tokens of a batch.
struct Pass {
  bool training = false;    // without it there is no dropout
  int64_t first_token = 0;  // number of the first one in the whole batch, of all ranks
};

class TransformerBlock {
 public:
  /// Arrays are named NAME.query.weights, NAME.attention_norm.gain, NAME.forward.0.weights, ...
  TransformerBlock(Backend& backend, const std::string& name, const TransformerShape& shape,
                   const OptimizerOptions& options, uint64_t weight_key, uint64_t dropout_key);

  /// x (T, d) -> out (T, d), valid until the next call.
  View<const float> forward(View<const float> x, Sequences sequences, View<const StepState> state,
                            Pass pass);
  /// gradient (T, d) by out becomes the one by x; x and the rest as in the last forward.
  void backward(View<const float> x, Sequences sequences, View<const StepState> state,
                View<float> gradient);
  void step(View<const StepState> state);

  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  AttentionInput attention_input(int64_t tokens) const;
  Dropout dropout(uint64_t layer) const;

  Backend& backend_;
  TransformerShape shape_;
  uint64_t dropout_key_;
  Pass pass_;  // the last forward
  LayerNorm attention_norm_, forward_norm_;
  Linear query_, key_, value_, expand_, contract_;
  Tensor<float> normed_, q_, k_, v_, attended_;  // (T, d)
  Tensor<float> log_sums_;                       // (T, heads)
  Tensor<float> middle_, forward_normed_, hidden_, out_;
  Tensor<float> middle_gradient_, hidden_gradient_;
  Tensor<float> q_gradient_, k_gradient_, v_gradient_;
};

}  // namespace mgqe

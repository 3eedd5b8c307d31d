// One self-attention block of SASRec (Kang & McAuley 2018, section 3.2), as its authors' code
// computes it:
//   n = LN(x),  y = n + Attention(n W_q, x W_k, x W_v),
//   m = LN(y),  out = m + dropout(dropout(relu(m W_1)) W_2),
// every product with a bias, dropout on the attention weights, no output projection.
#pragma once

#include "models/layers/layer_norm.hpp"
#include "models/layers/linear.hpp"

namespace mgqe {

/// Dropout of one pass over the tokens of a batch; a served backbone has none.
struct DropoutPass {
  float rate = 0.0f;
  View<const StepState> state{};  // of the step, read only where the rate is above 0
  int64_t first_token = 0;        // number of the first one in the whole batch, of all ranks
};

/// What a block computes of up to T tokens: scratch of a forward, which the next block may use
/// again, and what a backward needs.
struct TransformerActivations {
  TransformerActivations(Backend& backend, int64_t max_tokens, int64_t dim, int heads);
  static int64_t floats_of_token(int64_t dim, int heads) { return 9 * dim + heads + 4; }

  Tensor<float> normed, q, k, v, attended;                 // (T, d)
  Tensor<float> log_sums;                                  // (T, heads)
  Tensor<float> middle, forward_normed, hidden, out;       // (T, d): y, m, relu(m W_1), out
  Tensor<float> attention_norm_stats, forward_norm_stats;  // (T, 2)
};

class TransformerBlock {
 public:
  /// Dropout layers of a block.
  enum DropoutLayer : uint64_t { kOnAttention, kOnHidden, kOnOutput };

  /// Arrays are named NAME.query.weights, NAME.attention_norm.gain, NAME.forward.0.weights, ...
  TransformerBlock(Backend& backend, const std::string& name, int64_t dim, int heads,
                   uint64_t dropout_key);

  /// x (T, d) -> kept.out (T, d). x may be the `out` of the same activations.
  View<const float> forward(View<const float> x, Sequences sequences, const DropoutPass& pass,
                            TransformerActivations& kept) const;
  /// The same, without dropout, of the last token of each sequence alone: x (T, d), last (S) their
  /// rows -> kept.out (S, d), on a CPU to the bit. Blocks that others follow must see all tokens.
  View<const float> forward_last(View<const float> x, Sequences sequences, View<const int32_t> last,
                                 TransformerActivations& kept) const;

  int heads() const { return heads_; }
  Dropout dropout(DropoutLayer layer, const DropoutPass& pass) const;
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  LayerNorm attention_norm, forward_norm;
  Linear query, key, value, expand, contract;

 private:
  /// Queries of the tokens `asking`, normalized to kept.normed; keys and values of x.
  AttentionInput project(View<const float> asking, View<const float> x,
                         TransformerActivations& kept) const;
  /// From kept.normed and kept.attended of so many tokens to kept.out.
  View<const float> feed_forward(int64_t tokens, const DropoutPass& pass,
                                 TransformerActivations& kept) const;

  Backend& backend_;
  int heads_;
  uint64_t dropout_key_;
};

}  // namespace mgqe

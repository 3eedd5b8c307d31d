#include "models/layers/transformer_block.hpp"

#include <array>

namespace mgqe {

TransformerActivations::TransformerActivations(Backend& backend, int64_t max_tokens, int64_t dim,
                                               int heads)
    : log_sums(backend, max_tokens, heads),
      attention_norm_stats(backend, max_tokens, 2),
      forward_norm_stats(backend, max_tokens, 2) {
  for (Tensor<float>* buffer :
       {&normed, &q, &k, &v, &attended, &middle, &forward_normed, &hidden, &out})
    *buffer = Tensor<float>(backend, max_tokens, dim);
}

TransformerBlock::TransformerBlock(Backend& backend, const std::string& name, int64_t dim,
                                   int heads, uint64_t dropout_key)
    : attention_norm(backend, name + ".attention_norm", dim),
      forward_norm(backend, name + ".forward_norm", dim),
      query(backend, name + ".query", dim, dim, Activation::kNone),
      key(backend, name + ".key", dim, dim, Activation::kNone),
      value(backend, name + ".value", dim, dim, Activation::kNone),
      expand(backend, name + ".forward.0", dim, dim, Activation::kRelu),
      contract(backend, name + ".forward.1", dim, dim, Activation::kNone),
      backend_(backend),
      heads_(heads),
      dropout_key_(dropout_key) {}

Dropout TransformerBlock::dropout(DropoutLayer layer, const DropoutPass& pass) const {
  return {random_u64(dropout_key_, layer), pass.rate, pass.first_token};
}

View<const float> TransformerBlock::forward(View<const float> x, Sequences sequences,
                                            const DropoutPass& pass,
                                            TransformerActivations& kept) const {
  const int64_t tokens = x.rows;
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  const AttentionInput input = project(x, x, kept);
  backend_.attention(input, sequences, dropout(kOnAttention, pass), pass.state, rows(kept.attended),
                     rows(kept.log_sums));
  return feed_forward(tokens, pass, kept);
}

View<const float> TransformerBlock::forward_last(View<const float> x, Sequences sequences,
                                                 View<const int32_t> last,
                                                 TransformerActivations& kept) const {
  const View<float> asking = kept.middle.view().slice(0, last.size());
  backend_.gather(x, last, asking);
  const AttentionInput input = project(asking, x, kept);
  backend_.attention_of_last(input, sequences, kept.attended.view().slice(0, last.size()));
  return feed_forward(last.size(), {}, kept);
}

AttentionInput TransformerBlock::project(View<const float> asking, View<const float> x,
                                         TransformerActivations& kept) const {
  const View<float> normed = kept.normed.view().slice(0, asking.rows),
                    q = kept.q.view().slice(0, asking.rows), k = kept.k.view().slice(0, x.rows),
                    v = kept.v.view().slice(0, x.rows);
  attention_norm.forward(asking, normed, kept.attention_norm_stats.view().slice(0, asking.rows));
  query.multiply(normed, q);
  key.multiply(x, k);
  value.multiply(x, v);
  backend_.add_bias_each(std::array{BiasedRows{query.bias.values, q},
                                    BiasedRows{key.bias.values, k},
                                    BiasedRows{value.bias.values, v}});
  return {q, k, v, heads_};
}

View<const float> TransformerBlock::feed_forward(int64_t tokens, const DropoutPass& pass,
                                                 TransformerActivations& kept) const {
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  backend_.add(rows(kept.normed), rows(kept.attended), rows(kept.middle));
  forward_norm.forward(rows(kept.middle), rows(kept.forward_normed), rows(kept.forward_norm_stats));
  const View<float> hidden = rows(kept.hidden), out = rows(kept.out);
  expand.multiply(rows(kept.forward_normed), hidden);
  backend_.add_bias_relu_dropout(expand.bias.values, dropout(kOnHidden, pass), pass.state, hidden);
  contract.multiply(hidden, out);
  backend_.add_bias_dropout_add(contract.bias.values, dropout(kOnOutput, pass), pass.state,
                                rows(kept.forward_normed), out);
  return out;
}

void TransformerBlock::pack(ArrayMap& arrays) const {
  attention_norm.pack(arrays);
  forward_norm.pack(arrays);
  for (const Linear* linear : {&query, &key, &value, &expand, &contract}) linear->pack(arrays);
}

void TransformerBlock::load(const ArrayMap& arrays) {
  attention_norm.load(arrays);
  forward_norm.load(arrays);
  for (Linear* linear : {&query, &key, &value, &expand, &contract}) linear->load(arrays);
}

}  // namespace mgqe

#include "models/trainable/transformer_block.hpp"

#include <array>

namespace mgqe {

TransformerGradients::TransformerGradients(Backend& backend, int64_t max_tokens, int64_t dim) {
  for (Tensor<float>* buffer : {&middle, &hidden, &q, &k, &v})
    *buffer = Tensor<float>(backend, max_tokens, dim);
}

TrainableTransformerBlock::TrainableTransformerBlock(Backend& backend, TransformerBlock& block,
                                                     const OptimizerOptions& options, uint64_t key)
    : backend_(backend),
      block_(block),
      attention_norm_(backend, block.attention_norm, options),
      forward_norm_(backend, block.forward_norm, options),
      query_(backend, block.query, options, random_u64(key, 0)),
      key_(backend, block.key, options, random_u64(key, 1)),
      value_(backend, block.value, options, random_u64(key, 2)),
      expand_(backend, block.expand, options, random_u64(key, 3)),
      contract_(backend, block.contract, options, random_u64(key, 4)) {}

void TrainableTransformerBlock::backward(View<const float> x, Sequences sequences,
                                         const DropoutPass& pass,
                                         const TransformerActivations& kept,
                                         TransformerGradients& scratch, View<float> gradient) {
  const int64_t tokens = x.rows;
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  const bool drop = pass.rate > 0.0f;
  const View<float> middle = rows(scratch.middle), hidden = rows(scratch.hidden);

  // Feed-forward; the residual's share is already in `gradient`. Dropped units of kept.hidden are
  // 0, as are those the ReLU cut, so one mask serves both.
  View<float> contracted = gradient;
  if (drop) {
    contracted = middle;
    backend_.dropout(gradient, block_.dropout(TransformerBlock::kOnOutput, pass), pass.state,
                     contracted);
  }
  contract_.backward(rows(kept.hidden), {}, contracted, hidden);
  backend_.relu_dropout_backward(rows(kept.hidden), pass.rate, hidden);
  expand_.backward_linear(rows(kept.forward_normed), hidden, gradient, true);
  forward_norm_.backward(rows(kept.middle), rows(kept.forward_norm_stats), gradient, middle, false);

  backend_.attention_backward({rows(kept.q), rows(kept.k), rows(kept.v), block_.heads()}, sequences,
                              block_.dropout(TransformerBlock::kOnAttention, pass), pass.state,
                              rows(kept.attended), rows(kept.log_sums), middle,
                              {rows(scratch.q), rows(scratch.k), rows(scratch.v)});
  backend_.sum_rows_each(std::array{query_.bias_sum(rows(scratch.q)),
                                    key_.bias_sum(rows(scratch.k)),
                                    value_.bias_sum(rows(scratch.v))});
  query_.backward_product(rows(kept.normed), rows(scratch.q), middle, true);
  attention_norm_.backward(x, rows(kept.attention_norm_stats), middle, gradient, false);
  key_.backward_product(x, rows(scratch.k), gradient, true);
  value_.backward_product(x, rows(scratch.v), gradient, true);
}

void TrainableTransformerBlock::list(Trainables& arrays) {
  attention_norm_.list(arrays);
  forward_norm_.list(arrays);
  for (TrainableLinear* linear : {&query_, &key_, &value_, &expand_, &contract_})
    linear->list(arrays);
}

void TrainableTransformerBlock::visit(const TensorVisitor& visitor) {
  attention_norm_.visit(visitor);
  forward_norm_.visit(visitor);
  for (TrainableLinear* linear : {&query_, &key_, &value_, &expand_, &contract_})
    linear->visit(visitor);
}

}  // namespace mgqe

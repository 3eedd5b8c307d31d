#include "models/layers/transformer_block.hpp"

namespace mgqe {
namespace {

/// Dropout layers of a block.
enum DropoutLayer : uint64_t { kOnAttention, kOnHidden, kOnOutput };

}  // namespace

TransformerBlock::TransformerBlock(Backend& backend, const std::string& name,
                                   const TransformerShape& shape, const OptimizerOptions& options,
                                   uint64_t weight_key, uint64_t dropout_key)
    : backend_(backend),
      shape_(shape),
      dropout_key_(dropout_key),
      attention_norm_(backend, name + ".attention_norm", shape.dim, shape.max_tokens, options),
      forward_norm_(backend, name + ".forward_norm", shape.dim, shape.max_tokens, options),
      query_(backend, name + ".query", shape.dim, shape.dim, Activation::kNone, options,
             random_u64(weight_key, 0)),
      key_(backend, name + ".key", shape.dim, shape.dim, Activation::kNone, options,
           random_u64(weight_key, 1)),
      value_(backend, name + ".value", shape.dim, shape.dim, Activation::kNone, options,
             random_u64(weight_key, 2)),
      expand_(backend, name + ".forward.0", shape.dim, shape.dim, Activation::kRelu, options,
              random_u64(weight_key, 3)),
      contract_(backend, name + ".forward.1", shape.dim, shape.dim, Activation::kNone, options,
                random_u64(weight_key, 4)),
      log_sums_(backend, shape.max_tokens, shape.heads) {
  for (Tensor<float>* buffer :
       {&normed_, &q_, &k_, &v_, &attended_, &middle_, &forward_normed_, &hidden_, &out_,
        &middle_gradient_, &hidden_gradient_, &q_gradient_, &k_gradient_, &v_gradient_})
    *buffer = Tensor<float>(backend, shape.max_tokens, shape.dim);
}

AttentionInput TransformerBlock::attention_input(int64_t tokens) const {
  return {q_.view().slice(0, tokens), k_.view().slice(0, tokens), v_.view().slice(0, tokens),
          shape_.heads};
}

Dropout TransformerBlock::dropout(uint64_t layer) const {
  return {random_u64(dropout_key_, layer), pass_.training ? shape_.dropout : 0.0f,
          pass_.first_token};
}

View<const float> TransformerBlock::forward(View<const float> x, Sequences sequences,
                                            View<const StepState> state, Pass pass) {
  pass_ = pass;
  const int64_t tokens = x.rows;
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  attention_norm_.forward(x, rows(normed_));
  query_.forward(rows(normed_), rows(q_));
  key_.forward(x, rows(k_));
  value_.forward(x, rows(v_));
  backend_.attention(attention_input(tokens), sequences, dropout(kOnAttention), state,
                     rows(attended_), rows(log_sums_));
  backend_.add(rows(normed_), rows(attended_), rows(middle_));

  forward_norm_.forward(rows(middle_), rows(forward_normed_));
  expand_.forward(rows(forward_normed_), rows(hidden_));
  const bool drop = pass.training && shape_.dropout > 0.0f;
  if (drop) backend_.dropout(rows(hidden_), dropout(kOnHidden), state, rows(hidden_));
  contract_.forward(rows(hidden_), rows(out_));
  if (drop) backend_.dropout(rows(out_), dropout(kOnOutput), state, rows(out_));
  backend_.add(rows(forward_normed_), rows(out_), rows(out_));
  return rows(out_);
}

void TransformerBlock::backward(View<const float> x, Sequences sequences,
                                View<const StepState> state, View<float> gradient) {
  const int64_t tokens = x.rows;
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  const bool drop = shape_.dropout > 0.0f;

  // Feed-forward; the residual's share is already in `gradient`. Dropped units of hidden_ are 0, as
  // are those the ReLU cut, so one mask serves both.
  View<float> contracted = gradient;
  if (drop) {
    contracted = rows(middle_gradient_);
    backend_.dropout(gradient, dropout(kOnOutput), state, contracted);
  }
  contract_.backward(rows(hidden_), {}, contracted, rows(hidden_gradient_));
  if (drop)
    backend_.dropout(rows(hidden_gradient_), dropout(kOnHidden), state, rows(hidden_gradient_));
  expand_.backward(rows(forward_normed_), rows(hidden_), rows(hidden_gradient_), gradient, true);
  forward_norm_.backward(rows(middle_), gradient, rows(middle_gradient_), false);

  backend_.attention_backward(attention_input(tokens), sequences, dropout(kOnAttention), state,
                              rows(attended_), rows(log_sums_), rows(middle_gradient_),
                              {rows(q_gradient_), rows(k_gradient_), rows(v_gradient_)});
  query_.backward(rows(normed_), {}, rows(q_gradient_), rows(middle_gradient_), true);
  attention_norm_.backward(x, rows(middle_gradient_), gradient, false);
  key_.backward(x, {}, rows(k_gradient_), gradient, true);
  value_.backward(x, {}, rows(v_gradient_), gradient, true);
}

void TransformerBlock::step(View<const StepState> state) {
  attention_norm_.step(state);
  forward_norm_.step(state);
  for (Linear* linear : {&query_, &key_, &value_, &expand_, &contract_}) linear->step(state);
}

void TransformerBlock::pack(ArrayMap& arrays) const {
  attention_norm_.pack(arrays);
  forward_norm_.pack(arrays);
  for (const Linear* linear : {&query_, &key_, &value_, &expand_, &contract_}) linear->pack(arrays);
}

void TransformerBlock::load(const ArrayMap& arrays) {
  attention_norm_.load(arrays);
  forward_norm_.load(arrays);
  for (Linear* linear : {&query_, &key_, &value_, &expand_, &contract_}) linear->load(arrays);
}

void TransformerBlock::visit(const TensorVisitor& visitor) {
  attention_norm_.visit(visitor);
  forward_norm_.visit(visitor);
  for (Linear* linear : {&query_, &key_, &value_, &expand_, &contract_}) linear->visit(visitor);
}

}  // namespace mgqe

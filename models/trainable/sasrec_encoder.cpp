#include "models/trainable/sasrec_encoder.hpp"

#include <cmath>

namespace mgqe {

TrainableSasrecEncoder::TrainableSasrecEncoder(Backend& backend, SasrecEncoder& encoder,
                                               const OptimizerOptions& options, uint64_t dense_key,
                                               int64_t max_tokens)
    : backend_(backend),
      encoder_(encoder),
      positions_(backend, encoder.positions, options),
      final_norm_(backend, encoder.final_norm, options),
      scratch_(backend, max_tokens, encoder.shape().dim),
      block_gradient_(backend, max_tokens, encoder.shape().dim),
      input_scale_(backend,
                   std::vector<float>(static_cast<size_t>(encoder.shape().dim),
                                      std::sqrt(static_cast<float>(encoder.shape().dim)))) {
  const SasrecShape& shape = encoder.shape();
  const float bound = std::sqrt(6.0f / static_cast<float>(shape.max_length + shape.dim));
  backend.fill_uniform(encoder.positions.values, dense_key, -bound, bound);
  blocks_.reserve(encoder.blocks.size());
  for (size_t b = 0; b < encoder.blocks.size(); ++b)
    blocks_.emplace_back(backend, encoder.blocks[b], options, random_u64(dense_key, b, 1));
}

void TrainableSasrecEncoder::backward(Sequences sequences, const DropoutPass& pass,
                                      SasrecActivations& kept, View<float> gradient,
                                      View<float> item_gradient) {
  const int64_t tokens = gradient.rows;
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, tokens); };
  const auto block_input = [&](size_t b) {
    return b == 0 ? rows(kept.input) : rows(kept.of_block(b - 1).out);
  };
  const View<float> block_gradient = rows(block_gradient_);
  final_norm_.backward(block_input(blocks_.size()), rows(kept.final_norm_stats), gradient,
                       block_gradient, false);
  for (size_t b = blocks_.size(); b-- > 0;)
    blocks_[b].backward(block_input(b), sequences, pass, kept.of_block(b), scratch_,
                        block_gradient);
  if (pass.rate > 0.0f)
    backend_.dropout(block_gradient, encoder_.input_dropout(pass), pass.state, block_gradient);
  backend_.sum_positions(block_gradient, sequences, positions_.gradient);
  backend_.scale_columns(block_gradient, input_scale_, item_gradient);
}

void TrainableSasrecEncoder::step(View<const StepState> state) {
  Trainables arrays = {&positions_};
  for (TrainableTransformerBlock& block : blocks_) block.list(arrays);
  final_norm_.list(arrays);
  step_together(arrays, state);
}

void TrainableSasrecEncoder::visit(const TensorVisitor& visitor) {
  positions_.visit(visitor);
  for (TrainableTransformerBlock& block : blocks_) block.visit(visitor);
  final_norm_.visit(visitor);
}

}  // namespace mgqe

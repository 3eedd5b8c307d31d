#include "models/layers/sasrec_encoder.hpp"

#include <cmath>

namespace mgqe {
namespace {

constexpr const char* kPositions = "sasrec.positions";
constexpr const char* kHeads = "sasrec.heads";

std::string block_name(int block) { return "block." + std::to_string(block); }

/// Any array will do: a block that has one and lacks others is refused when it is loaded.
bool has_block(const ArrayMap& arrays, int block) {
  const std::string prefix = block_name(block) + ".";
  const auto found = arrays.lower_bound(prefix);
  return found != arrays.end() && found->first.starts_with(prefix);
}

}  // namespace

SasrecActivations::SasrecActivations(Backend& backend, const SasrecShape& shape, int64_t max_tokens,
                                     Keep keep)
    : input(backend, max_tokens, shape.dim),
      hidden(backend, max_tokens, shape.dim),
      final_norm_stats(backend, max_tokens, 2) {
  const int count = keep == Keep::kAll ? shape.blocks : 1;
  for (int b = 0; b < count; ++b) blocks.emplace_back(backend, max_tokens, shape.dim, shape.heads);
}

SasrecEncoder::SasrecEncoder(Backend& backend, const SasrecShape& shape, uint64_t dropout_key)
    : positions(backend, kPositions, shape.max_length, shape.dim),
      final_norm(backend, "final_norm", shape.dim),
      backend_(backend),
      shape_(shape),
      dropout_key_(dropout_key) {
  for (int b = 0; b < shape.blocks; ++b)
    blocks.emplace_back(backend, block_name(b), shape.dim, shape.heads,
                        random_u64(dropout_key, static_cast<uint64_t>(b), 1));
}

View<const float> SasrecEncoder::forward(Lookup items, Sequences sequences,
                                         View<const int32_t> position, const DropoutPass& pass,
                                         SasrecActivations& kept) const {
  View<const float> x = embed(items, position, pass, kept);
  for (size_t b = 0; b < blocks.size(); ++b)
    x = blocks[b].forward(x, sequences, pass, kept.of_block(b));
  return normalize(x, kept);
}

View<const float> SasrecEncoder::forward_last(Lookup items, Sequences sequences,
                                              View<const int32_t> position,
                                              View<const int32_t> last,
                                              SasrecActivations& kept) const {
  View<const float> x = embed(items, position, {}, kept);
  const size_t before = blocks.size() - 1;
  for (size_t b = 0; b < before; ++b) x = blocks[b].forward(x, sequences, {}, kept.of_block(b));
  return normalize(blocks.back().forward_last(x, sequences, last, kept.of_block(before)), kept);
}

View<const float> SasrecEncoder::embed(Lookup items, View<const int32_t> position,
                                       const DropoutPass& pass, SasrecActivations& kept) const {
  const View<float> input = kept.input.view().slice(0, position.size());
  const float scale = std::sqrt(static_cast<float>(shape_.dim));
  backend_.sequence_input(items, scale, positions.values, position, input_dropout(pass), pass.state,
                          input);
  return input;
}

View<const float> SasrecEncoder::normalize(View<const float> x, SasrecActivations& kept) const {
  const View<float> hidden = kept.hidden.view().slice(0, x.rows);
  final_norm.forward(x, hidden, kept.final_norm_stats.view().slice(0, x.rows));
  return hidden;
}

void SasrecEncoder::pack(ArrayMap& arrays) const {
  positions.pack(arrays);
  for (const TransformerBlock& block : blocks) block.pack(arrays);
  final_norm.pack(arrays);
  arrays.emplace(kHeads, HostArray(std::vector<int32_t>{shape_.heads}, {1}));
}

void SasrecEncoder::load(const ArrayMap& arrays) {
  positions.load(arrays);
  for (TransformerBlock& block : blocks) block.load(arrays);
  final_norm.load(arrays);
}

SasrecShape packed_sasrec_shape(const ArrayMap& arrays) {
  const auto positions = arrays.find(kPositions);
  const auto heads = arrays.find(kHeads);
  if (positions == arrays.end() || positions->second.shape.size() != 2 ||
      positions->second.shape[0] < 1 || heads == arrays.end() ||
      heads->second.dtype != DType::kI32 || heads->second.size() != 1)
    input_error("the artifact lacks the arrays ", kPositions, " (max length, d) and ", kHeads);
  SasrecShape shape;
  shape.max_length = positions->second.shape[0];
  shape.dim = positions->second.shape[1];
  shape.heads = heads->second.as<int32_t>()[0];
  shape.blocks = 0;
  while (has_block(arrays, shape.blocks)) ++shape.blocks;
  if (shape.blocks < 1) input_error("the artifact lacks the arrays of block.0");
  return shape;
}

}  // namespace mgqe

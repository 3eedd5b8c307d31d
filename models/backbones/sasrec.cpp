#include "models/backbones/sasrec.hpp"

#include <cmath>

#include "host/engine/profile_range.hpp"

namespace mgqe {
namespace {

constexpr const char* kPositions = "sasrec.positions";
constexpr const char* kHeads = "sasrec.heads";

std::vector<TableSpec> item_table(const Config& config) {
  return {{"", config.embedding.dim, RandomStream::kUserTable, RandomStream::kUserCodebook,
           RandomStream::kItemTable, RandomStream::kItemCodebook}};
}

SasrecShape shape_of(const Config& config, int64_t max_tokens) {
  return {{config.embedding.dim, config.model.heads, static_cast<float>(config.model.dropout),
           max_tokens},
          config.model.blocks,
          config.model.max_length};
}

/// Any array will do: a block that has one and lacks others is refused when it is loaded.
bool has_block(const ArrayMap& arrays, int block) {
  const std::string prefix = "block." + std::to_string(block) + ".";
  const auto found = arrays.lower_bound(prefix);
  return found != arrays.end() && found->first.starts_with(prefix);
}

/// The shape a packed model was trained with, read off its arrays.
SasrecShape served_shape(const PackedModel& model, int64_t sequences) {
  const auto positions = model.dense.find(kPositions);
  const auto heads = model.dense.find(kHeads);
  if (positions == model.dense.end() || positions->second.shape.size() != 2 ||
      heads == model.dense.end() || heads->second.dtype != DType::kI32 || heads->second.size() != 1)
    input_error("the artifact lacks the arrays ", kPositions, " (max length, d) and ", kHeads);
  SasrecShape shape;
  shape.max_length = positions->second.shape[0];
  shape.block = {positions->second.shape[1], heads->second.as<int32_t>()[0], 0.0f,
                 sequences * shape.max_length};
  shape.blocks = 0;
  while (has_block(model.dense, shape.blocks)) ++shape.blocks;
  if (shape.blocks < 1) input_error("the artifact lacks the arrays of block.0");
  if (shape.block.dim != served_config(model).embedding.dim || shape.block.heads < 1 ||
      shape.block.dim % shape.block.heads != 0)
    input_error("the artifact's tables, positions and heads do not fit each other");
  return shape;
}

}  // namespace

const Backbone kSasrec = {
    .name = "sasrec",
    .batch = BatchKind::kSequences,
    .set_defaults =
        [](Config& config) {
          config.train.epochs = 200;
          config.train.batch = 128;
          config.train.negatives = 1;
          config.train.beta2 = 0.98;
          config.train.evaluate_every = 5;
          config.embedding.init_stddev = 0.02;  // about the authors' Glorot start of 3,416 x 64
        },
    .make_model = [](Backend& backend, const Config& config, const Catalogue& catalogue)
        -> std::unique_ptr<Model> { return std::make_unique<Sasrec>(backend, config, catalogue); },
    .make_ranker = [](Backend& backend, const PackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<SasrecRanker>(backend, model);
    },
    .make_relevance_model = nullptr,
    .make_pair_scorer = nullptr,
};

// ---- SasrecEncoder ------------------------------------------------------------------------------

SasrecEncoder::SasrecEncoder(Backend& backend, const SasrecShape& shape,
                             const OptimizerOptions& options, uint64_t seed)
    : backend_(backend),
      shape_(shape),
      dropout_key_(stream_key(seed, RandomStream::kDropout)),
      positions_(backend, kPositions, shape.max_length, shape.block.dim, options),
      final_norm_(backend, "final_norm", shape.block.dim, shape.block.max_tokens, options),
      unique_positions_(backend, shape.block.max_tokens),
      position_gradient_(backend, shape.max_length, shape.block.dim),
      input_(backend, shape.block.max_tokens, shape.block.dim),
      hidden_(backend, shape.block.max_tokens, shape.block.dim),
      block_gradient_(backend, shape.block.max_tokens, shape.block.dim),
      input_scale_(backend, std::vector<float>(static_cast<size_t>(shape.block.dim),
                                               std::sqrt(static_cast<float>(shape.block.dim)))) {
  const uint64_t dense_key = stream_key(seed, RandomStream::kDense);
  const float bound = std::sqrt(6.0f / static_cast<float>(shape.max_length + shape.block.dim));
  backend.fill_uniform(positions_.values, dense_key, -bound, bound);
  blocks_.reserve(static_cast<size_t>(shape.blocks));
  for (int b = 0; b < shape.blocks; ++b)
    blocks_.emplace_back(backend, "block." + std::to_string(b), shape.block, options,
                         random_u64(dense_key, b, 1), random_u64(dropout_key_, b, 1));
}

View<const float> SasrecEncoder::forward(Lookup items, Sequences sequences,
                                         View<const int32_t> positions, View<const StepState> state,
                                         Pass pass) {
  pass_ = pass;
  const int64_t tokens = positions.size();
  const View<float> input = input_.view().slice(0, tokens);
  const float scale = std::sqrt(static_cast<float>(shape_.block.dim));
  backend_.sequence_input(items, scale, positions_.values, positions, input);
  if (pass.training && shape_.block.dropout > 0.0f)
    backend_.dropout(input, input_dropout(), state, input);
  block_inputs_.assign(1, input);
  for (TransformerBlock& block : blocks_)
    block_inputs_.push_back(block.forward(block_inputs_.back(), sequences, state, pass));
  const View<float> hidden = hidden_.view().slice(0, tokens);
  final_norm_.forward(block_inputs_.back(), hidden);
  return hidden;
}

void SasrecEncoder::backward(Sequences sequences, View<const int32_t> positions,
                             View<const StepState> state, View<float> gradient,
                             View<float> item_gradient) {
  const int64_t tokens = positions.size();
  const View<float> block_gradient = block_gradient_.view().slice(0, tokens);
  final_norm_.backward(block_inputs_.back(), gradient, block_gradient, false);
  for (size_t b = blocks_.size(); b-- > 0;)
    blocks_[b].backward(block_inputs_[b], sequences, state, block_gradient);
  if (shape_.block.dropout > 0.0f)
    backend_.dropout(block_gradient, input_dropout(), state, block_gradient);
  position_gradient_.zero();
  backend_.sum_gradients(unique_positions_.deduplicate(positions, shape_.max_length),
                         block_gradient, position_gradient_);
  backend_.scale_columns(block_gradient, input_scale_, item_gradient);
}

void SasrecEncoder::step(View<const StepState> state) {
  positions_.step(position_gradient_, state);
  for (TransformerBlock& block : blocks_) block.step(state);
  final_norm_.step(state);
}

void SasrecEncoder::pack(ArrayMap& arrays) const {
  positions_.pack(arrays);
  for (const TransformerBlock& block : blocks_) block.pack(arrays);
  final_norm_.pack(arrays);
  arrays.emplace(kHeads, HostArray(std::vector<int32_t>{shape_.block.heads}, {1}));
}

void SasrecEncoder::load(const ArrayMap& arrays) {
  positions_.load(arrays);
  for (TransformerBlock& block : blocks_) block.load(arrays);
  final_norm_.load(arrays);
}

void SasrecEncoder::visit(const TensorVisitor& visitor) {
  positions_.visit(visitor);
  for (TransformerBlock& block : blocks_) block.visit(visitor);
  final_norm_.visit(visitor);
}

// ---- Sasrec -------------------------------------------------------------------------------------

Sasrec::Sasrec(Backend& backend, const Config& config, const Catalogue& catalogue)
    : backend_(backend),
      shape_(shape_of(config, config.train.batch * config.model.max_length)),
      items_(backend, config, item_table(config), "item", catalogue.items,
             3 * shape_.block.max_tokens),
      encoder_(backend, shape_, optimizer_options(config.train), config.run.seed),
      ids_(backend, [&] { return Tensor<int32_t>(backend, 3 * shape_.block.max_tokens); }),
      ones_(backend, std::vector<float>(static_cast<size_t>(shape_.block.max_tokens), 1.0f)),
      zeros_(backend, shape_.block.max_tokens),
      logits_(backend, shape_.block.max_tokens),
      losses_(backend, shape_.block.max_tokens),
      logit_gradient_(backend, shape_.block.max_tokens),
      hidden_gradient_(backend, shape_.block.max_tokens, shape_.block.dim) {}

void Sasrec::prepare(Backend& on, const Batch& batch) {
  const SequenceTokens& tokens = batch.tokens;
  const int64_t count = tokens.inputs.size();
  const View<int32_t> ids = ids_.turn().view().slice(0, 3 * count);
  on.concatenate(tokens.inputs, tokens.positives, ids.slice(0, 2 * count));
  on.concatenate(tokens.positives, tokens.negatives, ids.slice(count, 2 * count));
  items_.prepare(on, ids, 3 * batch.examples);
}

void Sasrec::train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) {
  const SequenceTokens& tokens = batch.tokens;
  const int64_t count = tokens.inputs.size();
  ProfileRange range(backend_, "forward");
  items_.send_rows();
  const Lookup items = items_.forward()[0];
  const View<float> item_gradient = items_.gradients()[0];
  const auto part = [&](int which) {
    return Lookup{items.rows, items.index.slice(which * count, count)};
  };

  const View<const float> hidden = encoder_.forward(part(0), tokens.sequences, tokens.positions,
                                                    state, {true, batch.first_example});
  const View<float> logits = logits_.view().slice(0, count);
  const View<float> losses = losses_.view().slice(0, count);
  const View<float> logit_gradient = logit_gradient_.view().slice(0, count);
  const View<float> hidden_gradient = hidden_gradient_.view().slice(0, count);
  for (const int side : {1, 2}) {  // the item that came next, the negative
    backend_.row_dots(hidden, part(side), logits);
    backend_.bce_with_logits(logits, (side == 1 ? ones_ : zeros_).view().slice(0, count),
                             1.0f / static_cast<float>(batch.examples), losses, logit_gradient);
    backend_.accumulate(losses, loss_sum);
    backend_.row_dots_backward(hidden, part(side), logit_gradient, hidden_gradient, side == 2,
                               item_gradient.slice(side * count, count));
  }
  range.next("backward");
  encoder_.backward(tokens.sequences, tokens.positions, state, hidden_gradient,
                    item_gradient.slice(0, count));
  items_.send_gradients({0});
  range.next("optimizer");
  items_.backward({0}, state);
  encoder_.step(state);
}

PackedModel Sasrec::pack() {
  PackedModel packed;
  packed.backbone = kSasrec.name;
  packed.task = "ranking";
  items_.pack(packed);
  encoder_.pack(packed.dense);
  return packed;
}

std::map<std::string, std::vector<TierReport>> Sasrec::tier_reports() const {
  std::map<std::string, std::vector<TierReport>> reports;
  items_.tier_reports(reports);
  return reports;
}

void Sasrec::visit(const TensorVisitor& visitor) {
  items_.visit(visitor);
  encoder_.visit(visitor);
}

// ---- SasrecRanker -------------------------------------------------------------------------------

SasrecRanker::SasrecRanker(Backend& backend, const PackedModel& model)
    : backend_(backend),
      items_(decode_table(backend, packed_table(model, "item"))),
      user_vectors_(backend, kMaxUsers, items_.cols()),
      state_(backend, 1),
      encoder_(std::make_unique<SasrecEncoder>(backend, served_shape(model, kMaxUsers),
                                               OptimizerOptions{}, 0)) {
  encoder_->load(model.dense);
}

void SasrecRanker::rank(const RankBatch& batch, RankCounts sampled, RankCounts full) {
  const UserHistories& histories = batch.histories;
  const View<const float> hidden = encoder_->forward({items_, histories.items}, histories.sequences,
                                                     histories.positions, state_, {});
  const View<float> vectors = user_vectors_.view().slice(0, batch.users.size());
  backend_.gather(hidden, histories.last, vectors);
  const RankQuery query{vectors, items_, batch.positives};
  backend_.rank_candidates(query, batch.candidates, sampled);
  backend_.rank_all(query, batch.excluded, full);
}

}  // namespace mgqe

#include "models/backbones/sasrec.hpp"

#include <algorithm>

#include "host/config/scheme_traits.hpp"
#include "host/engine/profile_range.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/scorers/sasrec_scorer.hpp"

namespace mgqe {
namespace {

std::vector<TableSpec> tables(const Config& config) {
  return {{"item", Entity::kItem, config.embedding.dim, "--dim", RandomStream::kItemTable,
           RandomStream::kItemCodebook}};
}

void validate_options(const Config& config) {
  const ModelConfig& model = config.model;
  check_positive("--blocks", model.blocks);
  if (model.heads < 1 || config.embedding.dim % model.heads != 0)
    input_error("--heads ", model.heads, " does not divide --dim ", config.embedding.dim,
                ": choose a divisor of ", config.embedding.dim);
  if (model.max_length < 1 || model.max_length > 4096)
    input_error("--max-length ", model.max_length, " is out of range: 1 to 4096");
  check_fraction("--dropout", model.dropout);
}

SasrecShape shape_of(const Config& config) {
  return {config.embedding.dim, config.model.heads, config.model.blocks, config.model.max_length};
}

int64_t ranker_bytes(const ScorerPlan& plan) {
  // Vectors of users and of their positives, and scores; of each token its row, number and
  // activations.
  const int64_t dim = plan.config.embedding.dim, users = SasrecRanker::kMaxUsers;
  const int64_t tokens = SasrecRanker::kMaxHistories * plan.config.model.max_length;
  const int64_t activations = SasrecActivations::floats_of_token(dim, plan.config.model.heads);
  return plan.scan_readers(users, std::max(users, tokens)) +
         (users * (2 * dim + 1) + tokens * (dim + activations)) * int64_t{sizeof(float)} +
         tokens * int64_t{sizeof(int32_t)};
}

}  // namespace

const Backbone kSasrec = {
    .name = "sasrec",
    .batch = BatchKind::kSequences,
    .options = {"blocks", "heads", "max_length", "dropout"},
    .set_defaults =
        [](Config& config) {
          config.train.epochs = 200;
          config.train.batch = 128;
          config.train.negatives = 1;
          config.train.beta2 = 0.98;
          config.train.evaluate_every = 5;
          config.embedding.init_stddev = 0.02;  // about the authors' Glorot start of 3,416 x 64
        },
    .validate = validate_options,
    .tables = tables,
    .lookups = [](const Config& config,
                  int64_t sequences) { return 3 * sequences * config.model.max_length; },
    .make_model = [](Backend& backend, const Config& config, const Catalogue& catalogue)
        -> std::unique_ptr<Model> { return std::make_unique<Sasrec>(backend, config, catalogue); },
    .make_ranker = [](Backend& backend, const DevicePackedModel& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<SasrecRanker>(backend, model);
    },
    .make_relevance_model = nullptr,
    .make_pair_scorer = nullptr,
    .ranker_bytes = ranker_bytes,
    .pair_scorer_bytes = nullptr,
    .make_item_scorer = make_sasrec_item_scorer,
};

Sasrec::Sasrec(Backend& backend, const Config& config, const Catalogue& catalogue)
    : backend_(backend),
      dropout_(static_cast<float>(config.model.dropout)),
      max_tokens_(config.train.batch * config.model.max_length),
      items_(backend, config, table_group(config, Entity::kItem, catalogue.items), 3 * max_tokens_),
      encoder_(backend, shape_of(config), stream_key(config.run.seed, RandomStream::kDropout)),
      trainable_(backend, encoder_, optimizer_options(config.train),
                 stream_key(config.run.seed, RandomStream::kDense), max_tokens_),
      kept_(backend, encoder_.shape(), max_tokens_, SasrecActivations::Keep::kAll),
      ids_(backend, [&] { return Tensor<int32_t>(backend, 3 * max_tokens_); }),
      ones_(backend, std::vector<float>(static_cast<size_t>(max_tokens_), 1.0f)),
      zeros_(backend, max_tokens_),
      logits_(backend, max_tokens_),
      losses_(backend, max_tokens_),
      logit_gradient_(backend, max_tokens_),
      hidden_gradient_(backend, max_tokens_, config.embedding.dim) {}

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

  const DropoutPass pass{dropout_, state, batch.first_example};
  const View<const float> hidden =
      encoder_.forward(part(0), tokens.sequences, tokens.positions, pass, kept_);
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, count); };
  const View<float> hidden_gradient = rows(hidden_gradient_);
  backend_.sampled_loss({.x = hidden,
                         .positives = part(1),
                         .negatives = part(2),
                         .scale = 1.0f / static_cast<float>(batch.examples),
                         .x_gradient = hidden_gradient,
                         .positive_gradient = item_gradient.slice(count, count),
                         .negative_gradient = item_gradient.slice(2 * count, count),
                         .ones = rows(ones_),
                         .zeros = rows(zeros_),
                         .logits = rows(logits_),
                         .losses = rows(losses_),
                         .logit_gradient = rows(logit_gradient_)},
                        loss_sum);
  range.next("backward");
  trainable_.backward(tokens.sequences, pass, kept_, hidden_gradient,
                      item_gradient.slice(0, count));
  items_.send_gradients({0});
  range.next("optimizer");
  items_.update({0}, state);
  trainable_.step(state);
}

DevicePackedModel Sasrec::pack() {
  DevicePackedModel packed;
  packed.backbone = kSasrec.name;
  packed.task = name_of(TaskKind::kRanking);
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
  trainable_.visit(visitor);
}

}  // namespace mgqe

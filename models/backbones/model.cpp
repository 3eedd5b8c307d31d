// The registry of backbones.
#include "models/backbones/model.hpp"

#include "models/backbones/gmf.hpp"
#include "models/backbones/neumf.hpp"
#include "models/backbones/sasrec.hpp"
#include "models/packing/packed_share.hpp"

namespace mgqe {
namespace {

/// A new backbone is one pair of files and one line here.
const Backbone* const kBackbones[] = {
    &kGmf,
    &kNeumf,
    &kSasrec,
};

}  // namespace

std::string backbone_names() {
  std::string names;
  size_t left = std::size(kBackbones);
  for (const Backbone* backbone : kBackbones) {
    names += backbone->name;
    --left;
    names += left == 0 ? "" : left == 1 ? " or " : ", ";
  }
  return names;
}

const Backbone& find_backbone(const std::string& name) {
  for (const Backbone* backbone : kBackbones)
    if (name == backbone->name) return *backbone;
  input_error("--model ", name, " is unknown: choose ", backbone_names());
}

Config default_config(const std::string& backbone, const std::string& task,
                      const std::string& faithful) {
  Config config;
  config.model.name = backbone;
  config.model.task = task;
  config.embedding.faithful = faithful;
  find_backbone(backbone).set_defaults(config);
  if (task == "relevance") {
    config.train.epochs = 100;
    config.train.patience = 5;
  }
  if (faithful == "dpq-code") config.embedding.distance_bn = "tf";
  return config;
}

void validate_backbone(const Config& config) {
  const Backbone& backbone = find_backbone(config.model.name);
  if (config.model.task == "relevance" && backbone.make_relevance_model == nullptr) {
    std::string able;
    for (const Backbone* other : kBackbones)
      if (other->make_relevance_model != nullptr)
        able += (able.empty() ? "" : " or ") + std::string(other->name);
    input_error("--task relevance scores pairs of items, which --model ", backbone.name,
                " cannot: choose --model ", able);
  }
  if (config.embedding.tables != "both" &&
      (backbone.batch == BatchKind::kSequences || config.model.task == "relevance"))
    input_error(
        "--tables ", config.embedding.tables, " parts users from items: ",
        config.model.task == "relevance" ? "--task relevance" : "--model " + config.model.name,
        " has a table of items alone");
  if (backbone.batch == BatchKind::kSequences && config.train.negatives != 1)
    input_error("--negatives ", config.train.negatives, ": --model ", backbone.name,
                " takes 1, one a step of a sequence");
  if (config.model.mlp_dim != 0 && config.model.name != "neumf")
    input_error("--mlp-dim is for --model neumf, not ", config.model.name);
  if (config.model.pretrain_epochs > 0 && config.model.name != "neumf")
    input_error("--pretrain-epochs is for --model neumf, not ", config.model.name);
  if (config.model.pretrain_epochs > 0 && config.model.task == "relevance")
    input_error("--pretrain-epochs is for --task ranking, not relevance");
  if (config.model.pretrain_epochs >= config.train.epochs)
    input_error("--pretrain-epochs ", config.model.pretrain_epochs, " must be below --epochs ",
                config.train.epochs, ", which counts them");
}

std::unique_ptr<Model> make_model(Backend& backend, const Config& config,
                                  const Catalogue& catalogue) {
  validate_backbone(config);
  const Backbone& backbone = find_backbone(config.model.name);
  Config mine = config;  // a model is as large as this rank's share of a batch asks
  mine.train.batch = BatchShare::most(backend.communicator(), config.train.batch);
  return config.model.task == "relevance" ? backbone.make_relevance_model(backend, mine, catalogue)
                                          : backbone.make_model(backend, mine, catalogue);
}

std::unique_ptr<Ranker> make_ranker(Backend& backend, const DevicePackedModel& model) {
  return find_backbone(model.backbone).make_ranker(backend, model);
}

std::unique_ptr<PairScorer> make_pair_scorer(Backend& backend, const DevicePackedModel& model) {
  const Backbone& backbone = find_backbone(model.backbone);
  if (backbone.make_pair_scorer == nullptr)
    input_error("a ", model.backbone, " artifact cannot score pairs of items");
  return backbone.make_pair_scorer(backend, model);
}

namespace {

DevicePackedModel upload_whole(Backend& backend, const PackedModel& model) {
  std::map<std::string, RowSharding> whole;
  for (const auto& [name, table] : model.tables)
    whole.emplace(name, RowSharding::whole(table.rows));
  return upload(backend, {model, whole});
}

class UploadedRanker final : public Ranker {
 public:
  UploadedRanker(Backend& backend, const PackedModel& model)
      : model_(upload_whole(backend, model)), ranker_(make_ranker(backend, model_)) {}
  int64_t max_users() const override { return ranker_->max_users(); }
  bool together() const override { return ranker_->together(); }
  void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) override {
    ranker_->rank(batch, sampled, full);
  }

 private:
  DevicePackedModel model_;
  std::unique_ptr<Ranker> ranker_;
};

class UploadedPairScorer final : public PairScorer {
 public:
  UploadedPairScorer(Backend& backend, const PackedModel& model)
      : model_(upload_whole(backend, model)), scorer_(make_pair_scorer(backend, model_)) {}
  void score(View<const int32_t> left, View<const int32_t> right, View<float> scores) override {
    scorer_->score(left, right, scores);
  }

 private:
  DevicePackedModel model_;
  std::unique_ptr<PairScorer> scorer_;
};

}  // namespace

std::unique_ptr<Ranker> make_ranker(Backend& backend, const PackedModel& model) {
  return std::make_unique<UploadedRanker>(backend, model);
}

std::unique_ptr<PairScorer> make_pair_scorer(Backend& backend, const PackedModel& model) {
  return std::make_unique<UploadedPairScorer>(backend, model);
}

namespace {

Optimizer optimizer_named(const std::string& name) {
  if (name == "adam") return Optimizer::kAdam;
  if (name == "rowwise_adagrad") return Optimizer::kRowwiseAdagrad;
  if (name == "sgd") return Optimizer::kSgd;
  MGQE_CHECK(name == "sparse_adam", name);
  return Optimizer::kSparseAdam;
}

}  // namespace

OptimizerOptions optimizer_options(const TrainConfig& config) {
  AdamOptions adam;
  adam.learning_rate = config.lr;
  adam.beta1 = config.beta1;
  adam.beta2 = config.beta2;
  adam.epsilon = config.epsilon;
  return {adam,
          optimizer_named(config.optimizer),
          config.l2,
          config.table_lr,
          config.row_type == "bf16" ? RowType::kBf16 : RowType::kF32,
          config.gradient_type == "bf16"};
}

EmbeddingSpec embedding_spec(const Config& config, std::string name, int64_t rows,
                             int64_t max_lookups, RandomStream table, RandomStream codebook) {
  return {std::move(name),
          rows,
          max_lookups,
          config.embedding,
          optimizer_options(config.train),
          stream_key(config.run.seed, table),
          stream_key(config.run.seed, codebook)};
}

}  // namespace mgqe

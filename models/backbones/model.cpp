// The registry of backbones.
#include "models/backbones/model.hpp"

#include <algorithm>
#include <type_traits>

#include "host/config/choices.hpp"
#include "host/config/scheme_traits.hpp"
#include "models/backbones/dcn.hpp"
#include "models/backbones/dlrm.hpp"
#include "models/backbones/gmf.hpp"
#include "models/backbones/neumf.hpp"
#include "models/backbones/sasrec.hpp"
#include "models/packing/packed_share.hpp"

namespace mgqe {
namespace {

/// A new backbone is one pair of files and one line here.
std::vector<const Backbone*>& registry() {
  static std::vector<const Backbone*> all = {
      &kGmf, &kNeumf, &kSasrec, &kDcn, &kDlrm,
  };
  return all;
}

/// "gmf or neumf": the backbones that an option is for.
template <class Able>
std::string backbones_that(const Able& able) {
  std::vector<const char*> names;
  for (const Backbone* backbone : registry())
    if (able(*backbone)) names.push_back(backbone->name);
  return alternatives(names);
}

bool has_users(const Config& config) { return !tables_of(config, Entity::kUser).empty(); }

/// An option that is off unless it is given, given to a backbone that does not read it.
void refuse_unread_options(const Config& config, const Backbone& backbone) {
  const Config defaults;
  visit_fields(config, [&](const std::string& section, const char* key, const char* flag,
                           const auto& value, const char*) {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) {
      if (section != "model" || value == 0 || reads(backbone, key)) return;
      bool off_by_default = false;
      visit_fields(defaults, [&](const std::string& other, const char* name, const char*,
                                 const auto& standard, const char*) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(standard)>>)
          if (other == section && name == std::string(key)) off_by_default = standard == 0;
      });
      if (!off_by_default) return;
      const auto able = [&](const Backbone& other) { return reads(other, key); };
      input_error(flag, " is for --model ", backbones_that(able), ", not ", backbone.name);
    }
  });
}

}  // namespace

std::string backbone_names() {
  return backbones_that([](const Backbone&) { return true; });
}

const Backbone& find_backbone(const std::string& name) {
  for (const Backbone* backbone : registry())
    if (name == backbone->name) return *backbone;
  input_error("--model ", name, " is unknown: choose ", backbone_names());
}

void register_backbone(const Backbone& backbone) {
  for (const Backbone* other : registry())
    MGQE_CHECK(std::string_view(other->name) != backbone.name,
               "a backbone of that name is known: ", backbone.name);
  registry().push_back(&backbone);
}

bool reads(const Backbone& backbone, std::string_view key) {
  return key == "name" || key == "task" || key == "dense_type" ||
         std::any_of(backbone.options.begin(), backbone.options.end(),
                     [&](const char* option) { return option != nullptr && key == option; });
}

std::vector<TableSpec> tables_of(const Config& config, Entity entity) {
  std::vector<TableSpec> tables = find_backbone(config.model.name).tables(config);
  std::erase_if(tables, [&](const TableSpec& table) { return table.entity != entity; });
  return tables;
}

Config default_config(const std::string& backbone, TaskKind task, Faithful faithful) {
  Config config;
  config.model.name = backbone;
  config.model.task = task;
  config.embedding.faithful = faithful;
  find_backbone(backbone).set_defaults(config);
  if (task == TaskKind::kRelevance) {
    config.train.epochs = 100;
    config.train.patience = 5;
  }
  if (faithful == Faithful::kDpqCode) config.embedding.distance_bn = DistanceBn::kTf;
  return config;
}

void validate_backbone(const Config& config) {
  const Backbone& backbone = find_backbone(config.model.name);
  const TaskKind task = config.model.task;
  const bool relevance = task == TaskKind::kRelevance;
  if (!backbone.is_for(task)) {
    constexpr const char* kWhat[] = {"ranks items for users", "scores pairs of items",
                                     "scores rows of many fields"};
    input_error("--task ", name_of(task), " ", kWhat[static_cast<int>(task)], ", which --model ",
                backbone.name, " cannot: choose --model ",
                backbones_that([&](const Backbone& other) { return other.is_for(task); }),
                backbone.is_for(TaskKind::kCtr) ? ", or add --task ctr" : "");
  }
  refuse_unread_options(config, backbone);
  if (backbone.validate != nullptr) backbone.validate(config);
  if (config.embedding.tables != SchemeTables::kBoth && !has_users(config))
    input_error("--tables ", name_of(config.embedding.tables), " parts users from items: ",
                relevance ? "--task relevance" : "--model " + config.model.name,
                task == TaskKind::kCtr ? " has neither" : " has a table of items alone");
  if (config.embedding.user.given() && !has_users(config))
    input_error("--user-subspaces, --user-centroids and --user-tiers: ",
                relevance ? "--task relevance" : "--model " + config.model.name,
                task == TaskKind::kCtr ? " has neither" : " has a table of items alone");
  if (task == TaskKind::kCtr && config.embedding.item.given())
    input_error("--item-subspaces, --item-centroids and --item-tiers: --task ctr has no items");
  if (config.embedding.codebook_scope != CodebookScope::kShared &&
      (task != TaskKind::kCtr || config.embedding.scheme == "full"))
    input_error("--codebook ", name_of(config.embedding.codebook_scope),
                " is about the fields of --task ctr, and about schemes other than full");
  if (!config.embedding.field_sizes.empty() && task != TaskKind::kCtr)
    input_error("--field-sizes is about the fields of --task ctr");
  for (const auto& [field, embedding] : field_embeddings(config.embedding))
    if (config.train.row_type != RowType::kF32 && !traits_of_scheme(embedding.scheme).bfloat16_rows)
      input_error("--row-type ", name_of(config.train.row_type), " with --field-sizes: field ",
                  field, " of ", embedding.scheme, " has rows of f32: choose ",
                  schemes_that([](const SchemeTraits& other) { return other.bfloat16_rows; }));
  if (!config.embedding.field_sizes.empty() && !config.embedding.budget.empty())
    input_error("--field-sizes and --budget exclude each other: a budget plans one table");
  if (traits_of_scheme(config.embedding.scheme).one_table &&
      (task != TaskKind::kCtr || config.embedding.codebook_scope != CodebookScope::kShared))
    input_error("--embedding ", config.embedding.scheme,
                " is one table of many features: it takes --task ctr and --codebook shared; "
                "--embedding hashed --codebook field has a table each");
  if (backbone.batch == BatchKind::kSequences && config.train.negatives != 1)
    input_error("--negatives ", config.train.negatives, ": --model ", backbone.name,
                " takes 1, one a step of a sequence");
  for (const Entity entity : {Entity::kUser, Entity::kItem}) {
    const EmbeddingConfig side = side_config(config.embedding, entity);
    const SchemeTraits& scheme = traits_of_scheme(side.scheme);
    for (const TableSpec& table : tables_of(config, entity))
      if (scheme.validate_dim != nullptr) scheme.validate_dim(side, table.dim, table.dim_flag);
  }
}

std::unique_ptr<Model> make_model(Backend& backend, const Config& config,
                                  const Catalogue& catalogue) {
  validate_backbone(config);
  const Backbone& backbone = find_backbone(config.model.name);
  Config mine = config;  // a model is as large as this rank's share of a batch asks
  mine.train.batch = BatchShare::most(backend.communicator(), config.train.batch);
  return config.model.task == TaskKind::kRelevance
             ? backbone.make_relevance_model(backend, mine, catalogue)
             : backbone.make_model(backend, mine, catalogue);
}

std::unique_ptr<Ranker> make_ranker(Backend& backend, const DevicePackedModel& model) {
  const Backbone& backbone = find_backbone(model.backbone);
  if (backbone.make_ranker == nullptr)
    input_error("a ", model.backbone, " artifact scores rows of many fields, and ranks nothing");
  return backbone.make_ranker(backend, model);
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
  int64_t max_histories() const override { return ranker_->max_histories(); }
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

int64_t pair_lookups(const Config& config, int64_t pairs) {
  return config.model.task == TaskKind::kRelevance ? 2 * pairs : pairs;
}

OptimizerOptions optimizer_options(const TrainConfig& config) {
  AdamOptions adam;
  adam.learning_rate = config.lr;
  adam.beta1 = config.beta1;
  adam.beta2 = config.beta2;
  adam.epsilon = config.epsilon;
  return {adam,
          config.optimizer,
          config.l2,
          config.table_lr,
          config.row_type,
          config.gradient_type == RowType::kBf16};
}

}  // namespace mgqe

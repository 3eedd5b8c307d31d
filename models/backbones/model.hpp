// Model: a backbone and its embeddings in training. Backbone: the registry's entry that ties a name
// to them.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/embeddings/embedding.hpp"
#include "models/features/feature_layout.hpp"
#include "models/scorers/item_scorer.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

/// B training pairs: users, items and labels (1 positive, 0 negative) when ranking; two items and
/// their score when learning relevance.
struct PairBatch {
  View<const int32_t> left;   // (B)
  View<const int32_t> right;  // (B)
  View<const float> targets;  // (B)
};

/// B labelled rows of many features.
struct FeatureBatch {
  std::span<const GroupLookups> rows;  // by group of the layout
  View<const float> dense;             // (B, F)
  View<const float> labels;            // (B)
};

/// What one step trains on: the kind that the backbone asks for.
struct Batch {
  PairBatch pairs;
  SequenceTokens tokens;
  FeatureBatch features{};
  // Every rank has a stretch of the whole batch:
  int64_t examples = 0;       // of all ranks together, pairs or tokens; what a loss is a mean over
  int64_t first_example = 0;  // number in it of this rank's first
};

/// What a model must know of its data.
struct Catalogue {
  int64_t users = 0;
  int64_t items = 0;
  double mean_target = 0.0;                       // relevance: mean training target
  std::shared_ptr<const FeatureLayout> layout{};  // ctr: of its features
};

class Model {
 public:
  virtual ~Model() = default;
  /// epoch is 1 for the first.
  virtual void begin_epoch(int /*epoch*/) {}
  /// Steps of the same batch size make the same op calls as long as this stays; only begin_epoch
  /// changes it.
  virtual int phase() const { return 0; }
  /// What the batch's ids alone decide: which are distinct and, among ranks, which rows travel.
  /// By ops of `on`, this model's back end or a second stream of it. Among ranks the batch may be
  /// that of the next step (LookAhead).
  virtual void prepare(Backend& on, const Batch& batch) = 0;
  /// Forward, backward and update on the batch last prepared; adds the batch's summed loss to
  /// loss_sum (1). Op calls alone, so that they can be recorded: a member it sets is for itself,
  /// and no one else counts its calls.
  virtual void train_step(const Batch& batch, View<const StepState> state,
                          View<double> loss_sum) = 0;
  /// The model as it is served: this rank's rows, on the device, valid until the next step.
  virtual DevicePackedModel pack() = 0;
  /// By table name, of the last pack().
  virtual std::map<std::string, std::vector<TierReport>> tier_reports() const = 0;
  /// Every trainable array and its optimizer state.
  virtual void visit(const TensorVisitor& visitor) = 0;
};

enum class BatchKind { kPairs, kSequences, kFeatures };

/// One embedding table of a backbone.
struct TableSpec {
  std::string name;  // "user", "gmf.item"; of its arrays in artifacts and checkpoints too
  Entity entity;
  int64_t dim;           // d
  const char* dim_flag;  // that sets it
  RandomStream rows, codebook;
  bool one_of_many = false;  // whether they are those of its name
};

struct ScorerPlan;  // models/features/evaluation_plan.hpp

/// A backbone by name. A new one is a pair of files that defines one of these, and a line in
/// models/backbones/model.cpp; or, from without, a call of register_backbone.
struct Backbone {
  const char* name;
  BatchKind batch;  // what it trains on when it ranks
  /// Keys of Config's section "model" that it reads, beside name, task and dense_type. What others
  /// read is refused where it is off (0) by default, and without effect elsewhere.
  std::array<const char*, 6> options{};
  /// Hyper-parameters of its authors, over Config's own defaults.
  void (*set_defaults)(Config& config);
  /// Refuses values of its options. Null where it has none.
  void (*validate)(const Config& config);
  /// Every table it has, of a task; those of users first. Sides list theirs in this order.
  std::vector<TableSpec> (*tables)(const Config& config);
  /// Look-ups in each table of a batch of so many examples: pairs, or sequences.
  int64_t (*lookups)(const Config& config, int64_t examples);
  /// Of the task it is for: ranking, or, of batches of features, ctr.
  std::unique_ptr<Model> (*make_model)(Backend&, const Config&, const Catalogue&);
  /// Null where it does not rank.
  std::unique_ptr<Ranker> (*make_ranker)(Backend&, const DevicePackedModel&);
  /// Item-to-item relevance; null where it makes no sense.
  std::unique_ptr<Model> (*make_relevance_model)(Backend&, const Config&, const Catalogue&);
  std::unique_ptr<PairScorer> (*make_pair_scorer)(Backend&, const DevicePackedModel&);
  /// Bytes that those hold on the device beside packed tables and layers' weights: part of the plan
  /// that a run is refused by. The second is null where make_pair_scorer is.
  int64_t (*ranker_bytes)(const ScorerPlan& plan);
  int64_t (*pair_scorer_bytes)(const ScorerPlan& plan);
  /// What answers when the model is served; null where it is not.
  std::unique_ptr<ItemScorer> (*make_item_scorer)(Backend&, const RowSources&) = nullptr;
  /// What scores rows of features; null where it takes none.
  std::unique_ptr<CtrScorer> (*make_ctr_scorer)(Backend&, const Config&, const FeatureLayout&,
                                                const DevicePackedModel&) = nullptr;

  bool is_for(TaskKind task) const {
    if (task == TaskKind::kRelevance) return make_relevance_model != nullptr;
    return (task == TaskKind::kCtr) == (batch == BatchKind::kFeatures);
  }
};

/// InputError that lists the known ones when there is none of that name.
const Backbone& find_backbone(const std::string& name);
/// Adds a backbone, which must outlive every use.
void register_backbone(const Backbone& backbone);
/// Whether a run of that backbone depends on a key of section "model".
bool reads(const Backbone& backbone, std::string_view key);
/// The tables of one entity that config's backbone has.
std::vector<TableSpec> tables_of(const Config& config, Entity entity);
/// "gmf, neumf or sasrec"
std::string backbone_names();

/// Config's defaults with those of its backbone, its task and its preset (--faithful).
Config default_config(const std::string& backbone, TaskKind task = TaskKind::kRanking,
                      Faithful faithful = Faithful::kPaper);
/// Refuses what the backbone cannot do, naming the flag. Reads no data.
void validate_backbone(const Config& config);

/// The model that config names, for its task, with fresh parameters from config.run.seed.
std::unique_ptr<Model> make_model(Backend& backend, const Config& config,
                                  const Catalogue& catalogue);
/// The model must outlive what scores by it.
std::unique_ptr<Ranker> make_ranker(Backend& backend, const DevicePackedModel& model);
std::unique_ptr<PairScorer> make_pair_scorer(Backend& backend, const DevicePackedModel& model);
/// The same from host memory, whole on this rank; they keep what they upload.
std::unique_ptr<Ranker> make_ranker(Backend& backend, const PackedModel& model);
std::unique_ptr<PairScorer> make_pair_scorer(Backend& backend, const PackedModel& model);

/// Look-ups of a batch of pairs: two a pair in the one table of a relevance task.
int64_t pair_lookups(const Config& config, int64_t pairs);

OptimizerOptions optimizer_options(const TrainConfig& config);

}  // namespace mgqe

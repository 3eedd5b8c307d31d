#include "experiments/grid/grid_tasks.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

namespace {

/// SASRec's authors: short histories and more dropout on every data set but MovieLens.
void short_histories(Config& config) {
  config.model.max_length = 50;
  config.model.dropout = 0.5;
}

/// Enough to show that a scheme works, not how well.
void twenty_epochs(Config& config) { config.train.epochs = 20; }

/// Until validation has not improved for three epochs, each of which takes nine tenths of the rate.
/// Adam moves every row, as L2 asks for.
void as_tuned(Config& config) {
  config.train.epochs = 80;
  config.train.patience = 3;
  config.train.lr_decay = 0.1;
  config.train.lr_patience = 1;
  config.train.optimizer = Optimizer::kAdam;
}

/// DCN-V2 may stand still at an AUC of .94 in its first epochs (Frappe, seeds 2 and 24), where a
/// rate that falls after one of them ends it.
void more_patient(Config& config) {
  config.train.lr_patience = 2;
  config.train.patience = 5;
}

/// Layers so narrow that every scheme can be trained at every size by several seeds, and that
/// tables decide.
void narrow_layers(Config& config) {
  as_tuned(config);
  config.train.lr = 5e-3;
  config.model.hidden = {64, 32};
  config.model.cross_layers = 1;
}

void narrow_cross_layers(Config& config) {
  narrow_layers(config);
  more_patient(config);
}

/// Wide layers over rows of d = 10, as BARS has them for Frappe, under a penalty to go with them.
void as_published(Config& config) {
  as_tuned(config);
  more_patient(config);
  config.train.l2 = 0.05;
  config.model.hidden = {400, 400, 400};
}

const std::vector<double> kRelevancePenalties = {0, 1e-5, 3e-5, 1e-4};
const std::vector<double> kDcnPenalties = {2e-3}, kDlrmPenalties = {2e-3, 5e-3},
                          kSmallerPenalties = {0, 2e-4};

constexpr TaskKind kRanking = TaskKind::kRanking, kRelevance = TaskKind::kRelevance;

}  // namespace

const std::vector<GridTask>& grid_tasks() {
  using enum SchemeRows;
  static const std::vector<GridTask> tasks = {
      {"gmf", "GMF on MovieLens-1M", "ml-1m", "gmf", kRanking, 64, true, 50, kEvery, 4},
      {"neumf", "NeuMF on MovieLens-1M", "ml-1m", "neumf", kRanking, 64, true, 200, kEvery, 4},
      {"sasrec", "SASRec on MovieLens-1M", "ml-1m", "sasrec", kRanking, 64, true, 1800, kMain, 2},
      {"relevance", "item-to-item relevance, Steam", "steam", "gmf", kRelevance, 32, true, 8,
       kUsual, 1, nullptr, kRelevancePenalties},
      {"video-gmf", "GMF on Amazon Video Games", "video", "gmf", kRanking, 64, false, 60, kNone, 4},
      {"video-sasrec", "SASRec on Amazon Video Games", "video", "sasrec", kRanking, 64, false, 1800,
       kNone, 2, short_histories},
      {"relevance-synthetic", "relevance, synthetic, 290,000 items", "relevance-synthetic", "gmf",
       kRelevance, 32, false, 300, kNone},
  };
  return tasks;
}

const std::vector<GridTask>& scheme_tasks() {
  using enum SchemeRows;
  static const std::vector<GridTask> tasks = [] {
    std::vector<GridTask> list;
    for (const GridTask& task : grid_tasks())
      if (task.rows != kNone) list.push_back(task);
    list.insert(
        list.end(),
        {{"sasrec-20", "SASRec on MovieLens-1M, 20 epochs", "ml-1m", "sasrec", kRanking, 64, true,
          120, kBesidesMain, 1, twenty_epochs},
         {"relevance-neumf", "item-to-item relevance by NeuMF, Steam", "steam", "neumf", kRelevance,
          32, true, 15, kMain, 1, nullptr, kRelevancePenalties},
         {"ncf-gmf", "GMF on the NCF authors' split", "ncf", "gmf", kRanking, 32, true, 27, kFull},
         {"ncf-neumf", "NeuMF on the NCF authors' split", "ncf", "neumf", kRanking, 32, true, 250,
          kNeumfAnchors}});
    return list;
  }();
  return tasks;
}

const std::vector<GridTask>& feature_tasks() {
  using enum SchemeRows;
  constexpr TaskKind kCtr = TaskKind::kCtr;
  static const std::vector<GridTask> tasks = {
      {"dcn-frappe", "DCN-V2 on Frappe", "frappe", "dcn", kCtr, 16, true, 50, kNone, 1,
       narrow_cross_layers, kDcnPenalties},
      {"dlrm-frappe", "DLRM on Frappe", "frappe", "dlrm", kCtr, 16, true, 20, kNone, 1,
       narrow_layers, kDlrmPenalties, kSmallerPenalties},
      {"dcn-flights", "DCN-V2 on flights", "flights", "dcn", kCtr, 16, true, 40, kNone, 1,
       narrow_cross_layers, kDcnPenalties},
      {"dlrm-flights", "DLRM on flights", "flights", "dlrm", kCtr, 16, true, 20, kNone, 1,
       narrow_layers, kDlrmPenalties, kSmallerPenalties},
      {"frappe-published", "DCN-V2 on Frappe, layers as published", "frappe", "dcn", kCtr, 10,
       false, 400, kNone, 1, as_published},
  };
  return tasks;
}

std::vector<GridTask> find_tasks(const std::vector<std::string>& names) {
  std::vector<GridTask> all = grid_tasks(), found;
  for (const auto* others : {&scheme_tasks(), &feature_tasks()})
    for (const GridTask& task : *others)
      if (std::none_of(all.begin(), all.end(),
                       [&](const GridTask& one) { return std::string(one.name) == task.name; }))
        all.push_back(task);
  for (const std::string& name : names) {
    std::string known;
    size_t before = found.size();
    for (const GridTask& task : all) {
      known += (known.empty() ? "" : ", ") + std::string(task.name);
      if (task.name == name) found.push_back(task);
    }
    if (found.size() == before) input_error("--tasks ", name, " is unknown: choose among ", known);
  }
  return found;
}

Config task_config(const GridTask& task) {
  Config config = default_config(task.model, task.task);
  config.data.name = task.data;
  config.embedding.scheme = "full";
  config.embedding.dim = task.dim;
  if (task.change != nullptr) task.change(config);
  return config;
}

namespace {

/// The time of a step over that with a full table, measured with GMF; sequence models spend most of
/// a step elsewhere. A scheme without a line takes as long as a full table of its dimension.
struct StepCost {
  const char* scheme;
  double fixed, per_subspace;
};
constexpr StepCost kStepCosts[] = {
    {"low_rank", 1.7, 0.0}, {"scalar_quantized", 1.3, 0.0}, {"hashed", 1.3, 0.0},
    {"lsq", 1.6, 0.0},      {"multiplexed", 1.3, 0.0},      {"quotient_remainder", 1.6, 0.0},
    {"memcom", 1.6, 0.0},   {"mixed_dim", 1.8, 0.0},        {"mgqe", 1.6, 0.04},
    {"dpq_vq", 2.5, 0.15},  {"dpq_sx", 5.0, 1.0},
};

}  // namespace

double rough_seconds(const GridTask& task, const Config& config) {
  const EmbeddingConfig& embedding = config.embedding;
  const double dim = static_cast<double>(embedding.dim) / static_cast<double>(task.dim);
  const double subspaces = embedding.subspaces.empty() ? 32.0 : embedding.subspaces.front();
  double factor = 0.3 + 0.7 * dim;
  for (const StepCost& cost : kStepCosts)
    if (embedding.scheme == cost.scheme) factor = cost.fixed + cost.per_subspace * subspaces;
  if (std::string(task.model) == "sasrec") factor = 0.8 + 0.2 * factor;
  return task.full_seconds * factor;
}

}  // namespace mgqe

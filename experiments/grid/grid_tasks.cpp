#include "experiments/grid/grid_tasks.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

const std::vector<GridTask>& grid_tasks() {
  static const std::vector<GridTask> tasks = {
      {"gmf", "GMF on MovieLens-1M", "ml-1m", "gmf", "ranking", 64, true, 50},
      {"neumf", "NeuMF on MovieLens-1M", "ml-1m", "neumf", "ranking", 64, true, 200},
      {"sasrec", "SASRec on MovieLens-1M", "ml-1m", "sasrec", "ranking", 64, true, 1800},
      {"relevance", "item-to-item relevance, Steam", "steam", "gmf", "relevance", 32, true, 8},
      {"video-gmf", "GMF on Amazon Video Games", "video", "gmf", "ranking", 64, false, 60},
      {"video-sasrec", "SASRec on Amazon Video Games", "video", "sasrec", "ranking", 64, false,
       1800},
      {"relevance-synthetic", "relevance, synthetic, 290,000 items", "relevance-synthetic", "gmf",
       "relevance", 32, false, 300},
  };
  return tasks;
}

const std::vector<GridTask>& scheme_tasks() {
  static const std::vector<GridTask> tasks = [] {
    std::vector<GridTask> list;
    for (const GridTask& task : grid_tasks())
      if (std::string(task.data) == "ml-1m" || std::string(task.name) == "relevance")
        list.push_back(task);
    list.insert(list.end(), {{"sasrec-20", "SASRec on MovieLens-1M, 20 epochs", "ml-1m", "sasrec",
                              "ranking", 64, true, 120, 20},
                             {"relevance-neumf", "item-to-item relevance by NeuMF, Steam", "steam",
                              "neumf", "relevance", 32, true, 15},
                             {"ncf-gmf", "GMF on the NCF authors' split", "ncf", "gmf", "ranking",
                              32, true, 27},
                             {"ncf-neumf", "NeuMF on the NCF authors' split", "ncf", "neumf",
                              "ranking", 32, true, 250}});
    return list;
  }();
  return tasks;
}

std::vector<GridTask> find_tasks(const std::vector<std::string>& names) {
  std::vector<GridTask> all = grid_tasks(), found;
  for (const GridTask& task : scheme_tasks())
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
  Config config = default_config(task.model, task.task, "paper");
  config.data.name = task.data;
  config.embedding.scheme = "full";
  config.embedding.dim = task.dim;
  if (task.epochs > 0) config.train.epochs = task.epochs;
  if (std::string(task.name) == "video-sasrec") {
    // SASRec's authors: short histories and more dropout on every data set but MovieLens.
    config.model.max_length = 50;
    config.model.dropout = 0.5;
  }
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
    {"mgqe", 1.6, 0.04},    {"dpq_vq", 2.5, 0.15},          {"dpq_sx", 5.0, 1.0},
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

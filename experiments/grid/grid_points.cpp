#include "experiments/grid/grid_points.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/config/scheme_traits.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

std::string GridPoint::name() const {
  std::string text = fmt::format("{}/{}-{}", task.name, series, value);
  std::erase(text, '=');
  return text;
}

GridPoint make_point(const GridChoice& choice, const GridTask& task, std::string series,
                     std::string value, const Config& config) {
  GridPoint point{task, std::move(series), std::move(value), {}};
  const auto overrides = nlohmann::json::parse(choice.overrides);
  // Whoever says how many epochs has those.
  if (overrides.contains("train") && overrides["train"].contains("epochs")) point.task.longest = 1;
  std::vector<double> l2 = {config.train.l2};
  if (!task.l2.empty()) l2 = choice.l2.empty() ? task.l2 : choice.l2;
  for (const double penalty : l2) {
    Config candidate = config;
    candidate.train.l2 = penalty;
    update_from_json(candidate, overrides, "--config");
    resolve(candidate);
    validate(candidate);
    validate_backbone(candidate);
    point.candidates.push_back(candidate);
  }
  return point;
}

int usual_subspaces(const GridTask& task) { return task.dim >= 64 ? 32 : 16; }

std::string usual_value(const GridTask& task, const std::string& scheme) {
  return traits_of_scheme(scheme).quantized ? fmt::format("D={}", usual_subspaces(task))
                                            : fmt::format("d={}", task.dim);
}

Config usual_config(const GridTask& task, const std::string& scheme) {
  Config config = task_config(task);
  config.embedding.scheme = scheme;
  const SchemeTraits& traits = traits_of_scheme(scheme);
  const bool tiered = traits.planned();
  if (traits.quantized) {
    config.embedding.subspaces = {usual_subspaces(task)};
    config.embedding.centroids = tiered ? std::vector{256, 64} : std::vector{256};
  }
  if (tiered) config.embedding.tiers = {0.1};
  return config;
}

namespace {

/// Points that are slow to train have fewer seeds than ten, or are left out.
struct Plan {
  const char *task, *series, *value;
  size_t seeds;
};
constexpr size_t kSeeds = 10;
constexpr Plan kPlans[] = {
    {"neumf", "full", "d=64", kSeeds},
    {"neumf", "mgqe", "D=32", kSeeds},
    {"neumf", "full", "d=8", 5},
    {"neumf", "full", "d=16", 5},
    {"neumf", "low_rank", "r=8", 5},
    {"neumf", "low_rank", "r=16", 5},
    {"neumf", "scalar_quantized", "b=4", 5},
    {"neumf", "scalar_quantized", "b=8", 5},
    {"neumf", "dpq_vq", "D=16", 5},
    {"neumf", "dpq_vq", "D=32", 5},
    {"neumf", "mgqe", "D=16", 5},
    {"neumf", "mgqe_f16", "D=16", 5},
    {"neumf", "mgqe_f16", "D=32", 5},
    {"sasrec", "full", "d=64", 5},
    {"sasrec", "mgqe", "D=32", 5},
    {"sasrec", "full", "d=16", 3},
    {"sasrec", "low_rank", "r=16", 3},
    {"sasrec", "scalar_quantized", "b=4", 3},
    {"sasrec", "dpq_vq", "D=32", 3},
    {"sasrec", "mgqe", "D=16", 3},
    {"sasrec", "mgqe_f16", "D=16", 3},
    {"sasrec", "mgqe_f16", "D=32", 3},
    {"sasrec", "mgqe_int8", "D=32", 3},
};
constexpr size_t kSeedsOfLargeCatalogues = 3;
constexpr size_t kSeedsOfFeatures = 5, kSeedsOfAnchors = 3;

}  // namespace

size_t planned_seeds(const GridPoint& point) {
  const std::string task = point.task.name;
  if (point.task.is_ctr()) return point.task.every_size ? kSeedsOfFeatures : kSeedsOfAnchors;
  if (!point.task.every_size) return kSeedsOfLargeCatalogues;
  if (task != "neumf" && task != "sasrec") return kSeeds;
  for (const Plan& plan : kPlans)
    if (task == plan.task && point.series == plan.series && point.value == plan.value)
      return plan.seeds;
  return 0;
}

namespace {

/// A series of figure 2: a scheme, and the option that its size varies by.
struct SizeAxis {
  const char* series;
  const char* scheme;
  const char* letter;
  std::vector<int> (*values)(const GridTask& task, const GridChoice& choice);
  void (*set)(Config& config, int value);
};

/// d / 8, d / 4, d / 2, d.
std::vector<int> dims(const GridTask& task, const GridChoice&) {
  const int dim = static_cast<int>(task.dim);
  return {dim / 8, dim / 4, dim / 2, dim};
}

/// d / 16 to d / 2: the ranks whose factors are as large as the tables of `dims`.
std::vector<int> ranks(const GridTask& task, const GridChoice&) {
  const int dim = static_cast<int>(task.dim);
  return {dim / 16, dim / 8, dim / 4, dim / 2};
}

std::vector<int> subspace_counts(const GridTask& task, const GridChoice& choice) {
  std::vector<int> values;
  for (const int subspaces : choice.subspaces)
    if (task.dim % subspaces == 0) values.push_back(subspaces);
  return values;
}

/// D at the usual size, and half of it.
std::vector<int> usual_counts(const GridTask& task, const GridChoice&) {
  return {usual_subspaces(task) / 2, usual_subspaces(task)};
}

/// The usual size of sequence models, whose layers are most of a file once tables are small.
std::vector<int> usual_count_of_sequences(const GridTask& task, const GridChoice&) {
  if (std::string(task.model) != "sasrec") return {};
  return {usual_subspaces(task)};
}

void set_subspaces(Config& config, int subspaces) { config.embedding.subspaces = {subspaces}; }

const SizeAxis kAxes[] = {
    {"full", "full", "d", dims, [](Config& config, int dim) { config.embedding.dim = dim; }},
    {"low_rank", "low_rank", "r", ranks,
     [](Config& config, int rank) { config.embedding.rank = rank; }},
    {"scalar_quantized", "scalar_quantized", "b",
     [](const GridTask&, const GridChoice&) {
       return std::vector{1, 2, 4, 8};
     },
     [](Config& config, int bits) { config.embedding.bits = bits; }},
    {"hashed", "hashed", "m",
     [](const GridTask&, const GridChoice&) {
       return std::vector{256, 512, 1024, 2048};
     },
     [](Config& config, int buckets) { config.embedding.buckets = buckets; }},
    {"dpq_vq", "dpq_vq", "D", subspace_counts, set_subspaces},
    {"mgqe", "mgqe", "D", subspace_counts, set_subspaces},
    // Not the paper's: what 16-bit centroids save pays for every centroid in the tail.
    {"mgqe_f16", "mgqe", "D", usual_counts,
     [](Config& config, int subspaces) {
       set_subspaces(config, subspaces);
       config.embedding.centroids = {256};
       config.embedding.tiers = {};
       config.embedding.codebook_type = CodebookType::kF16;
     }},
    // The paper's tiers in a whole file that is small: layers of int8, 16-bit centroids.
    {"mgqe_int8", "mgqe", "D", usual_count_of_sequences,
     [](Config& config, int subspaces) {
       set_subspaces(config, subspaces);
       config.embedding.codebook_type = CodebookType::kF16;
       config.model.dense_type = DenseType::kInt8;
     }},
};

void add_usual(std::vector<GridPoint>& points, const GridChoice& choice, const GridTask& task,
               const std::string& scheme) {
  points.push_back(
      make_point(choice, task, scheme, usual_value(task, scheme), usual_config(task, scheme)));
}

}  // namespace

std::vector<GridPoint> figure2_points(const GridChoice& choice) {
  std::vector<GridPoint> points;
  for (const GridTask& task : choice.tasks) {
    if (!task.every_size) {
      for (const char* scheme : {"full", "dpq_vq", "mgqe"}) add_usual(points, choice, task, scheme);
      continue;
    }
    for (const SizeAxis& axis : kAxes)
      for (const int value : axis.values(task, choice)) {
        Config config = usual_config(task, axis.scheme);
        axis.set(config, value);
        points.push_back(make_point(choice, task, axis.series,
                                    fmt::format("{}={}", axis.letter, value), config));
      }
  }
  return points;
}

std::vector<GridPoint> figure3_points(const GridChoice& choice) {
  std::vector<GridPoint> points;
  for (const GridTask& task : choice.tasks)
    for (const char* scheme : {"full", "mgqe"}) add_usual(points, choice, task, scheme);
  return points;
}

}  // namespace mgqe

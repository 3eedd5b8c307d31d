// Rows with many features: quality against size.
#include "experiments/grid/grid_points.hpp"

namespace mgqe {
namespace {

struct Row {
  const char* series;
  const char* value;
  const char* scheme;
  void (*change)(Config& config);
};

void rule_of_thumb(Config& config) {
  config.embedding.centroids = {256, 64};
  config.embedding.tiers = {0.1};
}

template <int kSubspaces>
void mgqe_of(Config& config) {
  rule_of_thumb(config);
  config.embedding.subspaces = {kSubspaces};
}

template <int kPercent>
void budget_of(Config& config) {
  mgqe_of<8>(config);
  config.embedding.budget = std::to_string(kPercent) + "%";
}

const Row kRows[] = {
    {"full", "d=16", "full", [](Config&) {}},
    {"full", "d=8", "full", [](Config& config) { config.embedding.dim = 8; }},
    {"full", "d=4", "full", [](Config& config) { config.embedding.dim = 4; }},
    {"full_int8", "d=16", "full",
     [](Config& config) { config.model.dense_type = DenseType::kInt8; }},
    {"low_rank", "r=4", "low_rank", [](Config& config) { config.embedding.rank = 4; }},
    {"scalar_quantized", "b=4", "scalar_quantized",
     [](Config& config) { config.embedding.bits = 4; }},
    {"scalar_quantized", "b=2", "scalar_quantized",
     [](Config& config) { config.embedding.bits = 2; }},
    {"lsq", "b=4", "lsq", [](Config& config) { config.embedding.bits = 4; }},
    {"lsq", "b=2", "lsq", [](Config& config) { config.embedding.bits = 2; }},
    {"multiplexed", "m=512", "multiplexed", [](Config& config) { config.embedding.buckets = 512; }},
    {"quotient_remainder", "m=512", "quotient_remainder",
     [](Config& config) { config.embedding.buckets = 512; }},
    {"memcom", "m=256", "memcom", [](Config& config) { config.embedding.buckets = 256; }},
    {"mixed_dim", "w=8/1", "mixed_dim",
     [](Config& config) {
       config.embedding.tiers = {0.1};
       config.embedding.widths = {8, 1};
     }},
    {"dpq_vq", "D=8", "dpq_vq",
     [](Config& config) {
       config.embedding.subspaces = {8};
       config.embedding.centroids = {256};
     }},
    {"mgqe", "D=8", "mgqe", mgqe_of<8>},
    {"mgqe", "D=4", "mgqe", mgqe_of<4>},
    {"mgqe_f16", "D=8", "mgqe",
     [](Config& config) {
       mgqe_of<8>(config);
       config.embedding.codebook_type = CodebookType::kF16;
     }},
    {"mgqe_field", "D=8", "mgqe",
     [](Config& config) {
       mgqe_of<8>(config);
       config.embedding.codebook_scope = CodebookScope::kField;
     }},
    {"mgqe_budget", "10%", "mgqe", budget_of<10>},
    {"mgqe_budget", "15%", "mgqe", budget_of<15>},
    {"mgqe_budget", "20%", "mgqe", budget_of<20>},
    {"mgqe_int8", "D=8", "mgqe",
     [](Config& config) {
       mgqe_of<8>(config);
       config.model.dense_type = DenseType::kInt8;
     }},
};

}  // namespace

std::vector<GridPoint> feature_points(const GridChoice& choice) {
  std::vector<GridPoint> points;
  for (const GridTask& task : choice.tasks)
    for (const Row& row : kRows) {
      Config config = task_config(task);
      config.embedding.scheme = row.scheme;
      row.change(config);
      points.push_back(make_point(choice, task, row.series, row.value, config));
    }
  return points;
}

}  // namespace mgqe

// The table of schemes: each at its usual size on every backbone; and anchors outside this project,
// full tables on the NCF authors' own split.
#include "experiments/grid/grid_points.hpp"

namespace mgqe {
namespace {

using Change = void (*)(Config& config);

struct Row {
  const char* series;
  const char* value;
  const char* scheme;
  Change change;
};

void as_usual(Config&) {}

const Row kSchemes[] = {
    {"full", "usual", "full", as_usual},
    {"low_rank", "r=16", "low_rank", [](Config& config) { config.embedding.rank = 16; }},
    {"scalar_quantized", "b=4", "scalar_quantized",
     [](Config& config) { config.embedding.bits = 4; }},
    {"hashed", "m=1024", "hashed", [](Config& config) { config.embedding.buckets = 1024; }},
    {"dpq_vq", "usual", "dpq_vq", as_usual},
    {"dpq_sx", "usual", "dpq_sx", as_usual},
    {"mgqe", "usual", "mgqe", as_usual},
    {"mgqe", "private_k", "mgqe",
     [](Config& config) { config.embedding.variant = Variant::kPrivateK; }},
    {"mgqe", "private_d", "mgqe",
     [](Config& config) {
       EmbeddingConfig& embedding = config.embedding;
       embedding.variant = Variant::kPrivateD;
       embedding.subspaces = {embedding.subspaces[0], embedding.subspaces[0] / 2};
       embedding.centroids = {256};
     }},
};

/// NeuMF as its authors train it: from its halves; and with their 32 predictive factors, which is a
/// perceptron of 256-128-64-32.
const Row kNeumfAnchors[] = {
    {"full", "usual", "full", as_usual},
    {"full", "pre-trained", "full",
     [](Config& config) {
       config.model.pretrain_epochs = 20;
       config.train.epochs = 40;
     }},
    {"full", "m=128", "full", [](Config& config) { config.model.mlp_dim = 128; }},
    {"full", "m=128-pre-trained", "full",
     [](Config& config) {
       config.model.mlp_dim = 128;
       config.model.pretrain_epochs = 12;
       config.train.epochs = 15;
     }},
};

bool belongs(SchemeRows rows, const Row& row) {
  const std::string series = row.series;
  const bool usual = std::string(row.value) == "usual";
  const bool main = series == "full" || (series == "mgqe" && usual);
  switch (rows) {
    case SchemeRows::kEvery:
      return true;
    case SchemeRows::kFull:
      return series == "full";
    case SchemeRows::kMain:
      return main;
    case SchemeRows::kBesidesMain:
      return !main;
    case SchemeRows::kUsual:
      return usual && series != "dpq_sx";
    case SchemeRows::kNone:
    case SchemeRows::kNeumfAnchors:
      break;
  }
  return false;
}

}  // namespace

std::vector<GridPoint> scheme_points(const GridChoice& choice) {
  std::vector<GridPoint> points;
  const auto add = [&](const GridTask& task, const Row& row) {
    Config config = usual_config(task, row.scheme);
    row.change(config);
    const std::string value =
        std::string(row.value) == "usual" ? usual_value(task, row.scheme) : std::string(row.value);
    points.push_back(make_point(choice, task, row.series, value, config));
  };
  for (const GridTask& task : choice.tasks)
    if (task.rows == SchemeRows::kNeumfAnchors)
      for (const Row& row : kNeumfAnchors) add(task, row);
    else
      for (const Row& row : kSchemes)
        if (belongs(task.rows, row)) add(task, row);
  return points;
}

}  // namespace mgqe

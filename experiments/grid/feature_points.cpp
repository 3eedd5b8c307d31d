// Rows with many features: quality against size.
#include <algorithm>
#include <iterator>

#include "experiments/grid/grid_points.hpp"

namespace mgqe {
namespace {

struct Row {
  const char* series;
  const char* value;
  const char* scheme;
  void (*change)(Config& config);
};

/// Codebooks of tables as small as these are a large part of them, so their centroids are f16.
void quantized(Config& config, int subspaces) {
  config.embedding.subspaces = {subspaces};
  config.embedding.centroids = {256, 64};
  config.embedding.tiers = {0.1};
  config.embedding.codebook_type = CodebookType::kF16;
}

template <int kDim>
void full_of(Config& config) {
  config.embedding.dim = kDim;
}
template <int kRank>
void low_rank_of(Config& config) {
  config.embedding.rank = kRank;
}
template <int kBits>
void bits_of(Config& config) {
  config.embedding.bits = kBits;
}
/// Small fields are quantized like the others.
template <void (*kChange)(Config& config)>
void all_fields(Config& config) {
  kChange(config);
  config.embedding.full_rows = 0;
}
template <int kBuckets>
void buckets_of(Config& config) {
  config.embedding.buckets = kBuckets;
}
template <int kHead, int kTail>
void widths_of(Config& config) {
  config.embedding.tiers = {0.1};
  config.embedding.widths = {kHead, kTail};
}
template <int kSubspaces>
void dpq_of(Config& config) {
  quantized(config, kSubspaces);
  config.embedding.centroids = {256};
  config.embedding.tiers.clear();
}
/// At a temperature of 1 / kSharpness.
template <bool kNormalized, int kSharpness>
void softmax_of(Config& config) {
  dpq_of<8>(config);
  if (kNormalized) config.embedding.distance_bn = DistanceBn::kTf;
  config.embedding.softmax_temperature = 1.0 / kSharpness;
}
template <int kSubspaces>
void mgqe_of(Config& config) {
  quantized(config, kSubspaces);
}
/// Small fields would take a fifth of such a budget in full. On Frappe eight codes an id take 6.4%
/// with the fewest centroids that a tier may have.
template <int kPercent>
void budget_of(Config& config) {
  quantized(config, kPercent < 8 ? 4 : 8);
  config.embedding.budget = std::to_string(kPercent) + "%";
  config.embedding.full_rows = 0;
}

/// Sizes rise within a series.
const Row kRows[] = {
    {"full", "d=2", "full", full_of<2>},
    {"full", "d=4", "full", full_of<4>},
    {"full", "d=8", "full", full_of<8>},
    {"full", "d=16", "full", full_of<16>},
    {"low_rank", "r=2", "low_rank", low_rank_of<2>},
    {"low_rank", "r=4", "low_rank", low_rank_of<4>},
    {"scalar_quantized", "b=2", "scalar_quantized", bits_of<2>},
    {"scalar_quantized", "b=4", "scalar_quantized", bits_of<4>},
    {"lsq", "b=2", "lsq", bits_of<2>},
    {"lsq", "b=4", "lsq", bits_of<4>},
    {"lsq_all", "b=2", "lsq", all_fields<bits_of<2>>},
    {"lsq_all", "b=4", "lsq", all_fields<bits_of<4>>},
    {"hashed", "m=64", "hashed",
     [](Config& config) {
       config.embedding.buckets = 64;
       config.embedding.codebook_scope = CodebookScope::kField;
     }},
    {"multiplexed", "m=256", "multiplexed", buckets_of<256>},
    {"multiplexed", "m=512", "multiplexed", buckets_of<512>},
    {"quotient_remainder", "m=128", "quotient_remainder", buckets_of<128>},
    {"quotient_remainder", "m=256", "quotient_remainder", buckets_of<256>},
    {"memcom", "m=64", "memcom", buckets_of<64>},
    {"memcom", "m=256", "memcom", buckets_of<256>},
    {"mixed_dim", "w=4/1", "mixed_dim", widths_of<4, 1>},
    {"mixed_dim", "w=16/1", "mixed_dim", widths_of<16, 1>},
    {"dpq_vq", "D=8", "dpq_vq", dpq_of<8>},
    {"dpq_sx", "D=8", "dpq_sx", dpq_of<8>},
    {"mgqe", "D=4", "mgqe", mgqe_of<4>},
    {"mgqe", "D=8", "mgqe", mgqe_of<8>},
    {"mgqe_all", "D=8", "mgqe", all_fields<mgqe_of<8>>},
    {"mgqe_f32", "D=8", "mgqe",
     [](Config& config) {
       quantized(config, 8);
       config.embedding.codebook_type = CodebookType::kF32;
     }},
    {"mgqe_field", "D=8", "mgqe",
     [](Config& config) {
       quantized(config, 8);
       config.embedding.codebook_scope = CodebookScope::kField;
     }},
    {"mgqe_budget", "6%", "mgqe", budget_of<6>},
    {"mgqe_budget", "8%", "mgqe", budget_of<8>},
    {"mgqe_budget", "10%", "mgqe", budget_of<10>},
    {"mgqe_budget", "12%", "mgqe", budget_of<12>},
    {"full_int8", "d=16", "full",
     [](Config& config) { config.model.dense_type = DenseType::kInt8; }},
    {"mgqe_int8", "D=8", "mgqe",
     [](Config& config) {
       quantized(config, 8);
       config.model.dense_type = DenseType::kInt8;
     }},
};

/// What may keep the softmax variant from choosing few keys ever more often, as the DPQ authors'
/// code has it (responses normalized by batch), at another temperature, and both.
const Row kSoftmaxRows[] = {
    {"dpq_sx_t0.1", "D=8", "dpq_sx", softmax_of<0, 10>},
    {"dpq_sx_tf", "D=8", "dpq_sx", softmax_of<1, 1>},
    {"dpq_sx_tf_t0.1", "D=8", "dpq_sx", softmax_of<1, 10>},
};

/// Full tables as the published figures of Frappe have them: a deep network, without and with
/// cross layers.
const Row kAnchors[] = {
    {"full", "cross=0", "full", [](Config& config) { config.model.cross_layers = 0; }},
    {"full", "cross=3", "full", [](Config&) {}},
};

/// Whether smaller penalties are tried too: not where ids have rows of their own that are served as
/// they are or as the nearest of something.
bool wants_less_l2(const std::string& scheme) {
  const char* const own[] = {"full", "scalar_quantized", "lsq", "dpq_vq", "mgqe"};
  return std::find(std::begin(own), std::end(own), scheme) == std::end(own);
}

}  // namespace

std::vector<GridPoint> feature_points(const GridChoice& choice) {
  std::vector<GridPoint> points;
  for (GridTask task : choice.tasks) {
    const std::vector<double> l2 = task.l2;
    std::vector<Row> rows(std::begin(kAnchors), std::end(kAnchors));
    if (task.every_size) rows.assign(std::begin(kRows), std::end(kRows));
    // By the backbone whose runs take least.
    if (task.every_size && std::string(task.model) == "dlrm")
      rows.insert(rows.end(), std::begin(kSoftmaxRows), std::end(kSoftmaxRows));
    for (const Row& row : rows) {
      Config config = task_config(task);
      config.embedding.scheme = row.scheme;
      row.change(config);
      task.l2 = l2;
      if (wants_less_l2(row.scheme))
        task.l2.insert(task.l2.begin(), task.smaller_l2.begin(), task.smaller_l2.end());
      points.push_back(make_point(choice, task, row.series, row.value, config));
    }
  }
  return points;
}

}  // namespace mgqe

#include "host/config/canonical.hpp"

#include <algorithm>
#include <iterator>

namespace mgqe {
namespace {

template <size_t N>
bool is_among(const std::string& name, const char* const (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool is_quantized(const std::string& scheme) {
  return is_among(scheme, {"dpq_vq", "dpq_sx", "mgqe"});
}

void leave_out_unread(DataConfig& data, const DataConfig& defaults) {
  if (data.name == "auto") return;  // whatever it will be
  DataConfig read = defaults;
  read.name = data.name;
  if (data.name == "synthetic") {
    read.synthetic_users = data.synthetic_users;
    read.synthetic_items = data.synthetic_items;
    read.synthetic_actions = data.synthetic_actions;
    read.synthetic_seed = data.synthetic_seed;
  }
  if (data.name == "relevance-synthetic") {
    read.synthetic_pair_items = data.synthetic_pair_items;
    read.synthetic_pairs = data.synthetic_pairs;
    read.synthetic_seed = data.synthetic_seed;
  }
  data = read;
}

/// Of tables on one side alone the other is full, which reads nothing but the dimension.
void leave_out_unread(EmbeddingConfig& embedding, const EmbeddingConfig& defaults) {
  EmbeddingConfig read = defaults;
  const std::string& scheme = embedding.scheme;
  if (!is_quantized(scheme) &&
      !is_among(scheme, {"full", "low_rank", "scalar_quantized", "hashed"}))
    return;
  read.scheme = scheme;
  read.dim = embedding.dim;
  read.init_stddev = embedding.init_stddev;
  if (scheme != "full") read.tables = embedding.tables;
  if (scheme == "low_rank") read.rank = embedding.rank;
  if (scheme == "scalar_quantized") read.bits = embedding.bits;
  if (scheme == "hashed") read.buckets = embedding.buckets;
  if (is_quantized(scheme)) {
    read.subspaces = embedding.subspaces;
    read.centroids = embedding.centroids;
    read.faithful = embedding.faithful;
    read.codebook_weight = embedding.codebook_weight;
    read.commitment_weight = embedding.commitment_weight;
    read.distance_bn = embedding.distance_bn;
    read.kmeans_start = embedding.kmeans_start;
    read.grouping = embedding.grouping;
  }
  if (scheme == "mgqe") {
    read.variant = embedding.variant;
    read.tiers = embedding.tiers;
  }
  embedding = read;
}

}  // namespace

Config canonical(Config config) {
  const Config defaults;
  config.run.out = defaults.run.out;
  config.run.device = defaults.run.device;
  leave_out_unread(config.data, defaults.data);
  leave_out_unread(config.embedding, defaults.embedding);
  if (is_among(config.model.name, {"gmf", "neumf"})) {
    config.model.blocks = defaults.model.blocks;
    config.model.heads = defaults.model.heads;
    config.model.max_length = defaults.model.max_length;
    config.model.dropout = defaults.model.dropout;
  }
  if (config.model.task == "relevance") {  // no negatives, no candidates: pairs have scores
    config.train.negatives = defaults.train.negatives;
    config.run.candidates = defaults.run.candidates;
    config.run.evaluate_users = defaults.run.evaluate_users;
  }
  return config;
}

}  // namespace mgqe

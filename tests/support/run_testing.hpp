// Whole training runs for tests: small configurations of every kind, and the files they leave.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "host/io/checkpoint.hpp"
#include "models/backbones/model.hpp"
#include "tests/support/scale.hpp"

namespace mgqe::testing {

inline Config small_config(const std::string& scheme, const std::string& out) {
  Config config;
  config.data.name = "synthetic";
  config.data.synthetic_users = 300;
  config.data.synthetic_items = 200;
  config.data.synthetic_actions = 20;
  config.embedding.scheme = scheme;
  config.embedding.dim = 16;
  config.embedding.subspaces = {8};
  config.embedding.centroids = {32, 8};
  config.embedding.tiers = {0.1};
  config.train.epochs = 3;
  config.train.batch = 128;
  config.train.lr = 5e-3;
  config.run.out = out;
  return config;
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The arrays of a run's newest checkpoint.
inline std::filesystem::path last_checkpoint(const std::filesystem::path& out) {
  const auto found = find_checkpoints(out / "checkpoints");
  if (found.empty()) return out / "checkpoints";
  return found.rbegin()->second / "rank-0000-of-0001.safetensors";
}

/// Every backbone and task with a few schemes: what a run can be made of.
inline std::vector<std::pair<std::string, Config>> many_kinds_of_runs(const std::string& out) {
  std::vector<std::pair<std::string, Config>> runs;
  const auto add = [&](const char* backbone, const char* scheme, const auto& change) {
    Config config = small_config(scheme, out);
    const Config defaults = default_config(backbone);
    config.model = defaults.model;
    config.model.max_length = 12;
    config.train.negatives = defaults.train.negatives;
    config.train.epochs = 2;
    config.data.synthetic_users = scaled(config.data.synthetic_users, 120);
    if (config.model.name == "sasrec") config.train.batch = 32;
    const std::string name = scheme;
    if (name == "dpq_vq" || name == "dpq_sx") {
      config.embedding.centroids = {32};
      config.embedding.tiers = {};
    }
    change(config);
    runs.emplace_back(std::string(backbone) + " " + name_of(config.model.task) + " " + name,
                      config);
  };
  const auto as_it_is = [](Config&) {};
  const auto relevance = [](Config& config) {
    config.model.task = TaskKind::kRelevance;
    config.data.name = "relevance-synthetic";
    config.data.synthetic_pair_items = 120;
    config.data.synthetic_pairs = 1500;
  };
  add("gmf", "full", as_it_is);
  add("gmf", "mgqe", as_it_is);
  add("gmf", "dpq_vq", [](Config& config) {
    config.train.optimizer = Optimizer::kRowwiseAdagrad;
    config.train.row_type = RowType::kBf16;
  });
  add("gmf", "scalar_quantized", [](Config& config) { config.train.optimizer = Optimizer::kSgd; });
  add("neumf", "low_rank", [](Config& config) { config.embedding.rank = 5; });
  add("neumf", "mgqe", [](Config& config) {
    config.model.pretrain_epochs = 1;
    config.embedding.variant = Variant::kPrivateD;
    config.embedding.subspaces = {8, 4};
    config.embedding.centroids = {32};
  });
  add("sasrec", "mgqe", [](Config& config) { config.embedding.variant = Variant::kPrivateK; });
  add("sasrec", "dpq_sx", [](Config& config) { config.model.heads = 2; });
  add("sasrec", "hashed", [](Config& config) {
    config.embedding.buckets = 50;
    config.train.optimizer = Optimizer::kRowwiseAdagrad;
  });
  add("gmf", "mgqe", relevance);
  add("neumf", "dpq_vq", relevance);
  return runs;
}

}  // namespace mgqe::testing

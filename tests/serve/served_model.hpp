// Models of every backbone with fresh weights, packed and written to be served.
#pragma once

#include <fmt/format.h>

#include "host/config/config.hpp"
#include "host/serve/recommender.hpp"
#include "models/backbones/model.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::testing {

inline constexpr int64_t kServedUsers = 40, kServedItems = 700, kServedLength = 9;

inline Config served_config(const std::string& backbone, const std::string& scheme,
                            TaskKind task = TaskKind::kRanking) {
  Config config = default_config(backbone, task);
  config.embedding.scheme = scheme;
  config.embedding.dim = 16;
  config.embedding.rank = 4;
  config.embedding.buckets = 90;
  config.embedding.subspaces = {8};
  config.embedding.centroids = scheme == "mgqe" ? std::vector<int>{16, 4} : std::vector<int>{16};
  if (scheme == "mgqe") config.embedding.tiers = {0.2};
  config.embedding.init_stddev = 0.3;
  config.model.max_length = kServedLength;
  config.train.batch = 8;
  resolve(config);
  return config;
}

inline PackedModel served_model(const Config& config) {
  const auto backend = make_backend("cpu");
  return make_model(*backend, config, {kServedUsers, kServedItems, 0.5})->pack();
}

/// The id of row r is 3 r + 7 of items, and "u" and r of users.
inline void write_served(const std::filesystem::path& path, const Config& config,
                         const PackedModel& model) {
  Artifact artifact;
  artifact.model = model;
  artifact.config = to_json(config);
  for (const auto& [name, table] : model.tables) {
    OriginalIds ids;
    for (int64_t r = 0; r < table.rows; ++r) {
      if (entity_of(name) == "user")
        ids.strings.push_back(fmt::format("u{}", r));
      else
        ids.integers.push_back(3 * r + 7);
    }
    artifact.ids[entity_of(name)] = ids;
  }
  write_artifact(path, artifact);
}

}  // namespace mgqe::testing

// What a run on many GPUs would need and exchange, from its configuration: a plan, not a
// measurement.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "models/features/placement.hpp"

namespace mgqe::scaling {

/// "nodes=1..8,gpus=8,link=50": machines (or a range that doubles), GPUs each, GB/s of a GPU's link
/// to other machines. InputError otherwise.
struct ClusterSpec {
  std::vector<int> nodes = {1};
  int gpus = 8;
  double link = 50.0;  // GB/s of a GPU; 400 Gb/s a port

  static ClusterSpec parse(const std::string& text);
};

/// A row of the plan for each number of nodes: {"nodes", "ranks", "memory_bytes", "lines": [...],
/// "forward_bytes", "forward_f32_bytes", "backward_bytes", "codebook_bytes", "exchange_seconds"},
/// by rank and step. The distinct ids of a rank's share of a batch are counted on one drawn batch.
nlohmann::ordered_json plan_exchange(const ClusterSpec& cluster, const Config& config,
                                     const Catalogue& catalogue);
std::string plan_table(const nlohmann::ordered_json& plan, const Config& config,
                       const Catalogue& catalogue);

}  // namespace mgqe::scaling

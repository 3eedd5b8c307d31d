// How far a training run is, apart from the arrays of its model: what result.json and the choice of
// the best epoch are made from. A checkpoint keeps it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/train/training_loop.hpp"
#include "models/packing/packed_share.hpp"

namespace mgqe {

struct RunState {
  struct Best {
    int epoch = 0;      // 0: none yet
    PackedShare model;  // this rank's rows
    std::map<std::string, std::vector<TierReport>> tiers;
    EvaluationResult evaluation;
  };
  TrainingLoop::Position position;  // as of the checkpoint
  Best best;
  std::vector<double> train_loss;   // by epoch that is done, its evaluation included
  int without_better = 0;           // evaluations since the best one
  double rate_factor = 1.0;         // what --lr-decay has left of every learning rate
  std::set<std::string> collapsed;  // tiers that were warned of
  double train_seconds = 0.0, evaluate_seconds = 0.0;

  int epochs_done() const { return static_cast<int>(train_loss.size()); }
};

nlohmann::ordered_json to_json(const std::map<std::string, std::vector<TierReport>>& tables);

/// Everything but best.model, which is an artifact of its own.
nlohmann::ordered_json to_json(const RunState& state);
/// InputError where a field is missing or of another type.
RunState run_state_of(const nlohmann::ordered_json& json);

}  // namespace mgqe

// Leave-one-out ranking, by both protocols:
//   sampled  the held-out item against `candidates` items that the user never touched, fixed by the
//            seed (or the data set's own negatives)
//   full     against every item outside the user's training history (and, at test, validation item)
#pragma once

#include <optional>

#include "host/data/dataset.hpp"
#include "host/train/metrics.hpp"
#include "models/model.hpp"

namespace mgqe {

enum class Split { kValid, kTest };

struct EvaluatorOptions {
  uint64_t seed = 1;
  int candidates = 100;
  int64_t users = 0;  // 0: all with a held-out item
};

class Evaluator {
 public:
  Evaluator(Backend& backend, const Dataset& dataset, const EvaluatorOptions& options);

  Evaluation evaluate(Ranker& ranker, Split split);

 private:
  /// What one split asks, in device memory; made at first use.
  struct Targets {
    std::vector<int32_t> positives_host;
    Tensor<int32_t> users, positives;  // (M)
    Tensor<int64_t> excluded_offsets;  // (M + 1)
    Tensor<int32_t> excluded_items;
    Tensor<int32_t> candidates;  // (M, C), -1 where a user has fewer
  };
  const Targets& targets(Split split);
  Targets make_targets(Split split) const;
  std::vector<int32_t> choose_users(Split split) const;
  std::vector<int32_t> choose_candidates(Split split, const std::vector<int32_t>& users) const;

  Backend& backend_;
  const Dataset& dataset_;
  EvaluatorOptions options_;
  std::optional<Targets> valid_, test_;
};

}  // namespace mgqe

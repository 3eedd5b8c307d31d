// Ops that set arrays up and build batches on the device.
#pragma once

#include "host/engine/ops/types.hpp"

namespace mgqe {

class BatchOps {
 public:
  virtual ~BatchOps() = default;

  /// x[i] = stddev * normal(key, i).
  virtual void fill_normal(View<float> x, uint64_t key, float stddev) = 0;
  /// x[i] uniform in (low, high).
  virtual void fill_uniform(View<float> x, uint64_t key, float low, float high) = 0;
  /// order (n): ids by descending counts (n), ascending id on ties.
  virtual void frequency_order(View<const int64_t> counts, View<int32_t> order) = 0;

  /// state (1): counts the step and refreshes Adam's step sizes. First op of every step.
  virtual void begin_step(View<StepState> state, AdamOptions options) = 0;
  /// Pairs [(step_in_epoch - 1) * batch + first, ... + B) of the epoch; users, items, labels (B).
  virtual void sample_pairs(const PairSampler& sampler, View<const StepState> state,
                            View<int32_t> users, View<int32_t> items, View<float> labels) = 0;
  /// The tokens of the given users' training sequences, one negative a token.
  virtual void sample_sequences(const SequenceSampler& sampler, View<const StepState> state,
                                View<const int32_t> users, const SequenceTokens& tokens) = 0;
  /// Pairs number [(step_in_epoch - 1) * batch + first, ... + B) of the shuffled epoch; left,
  /// right, targets (B).
  virtual void sample_scored_pairs(const ScoredPairSampler& sampler, View<const StepState> state,
                                   View<int32_t> left, View<int32_t> right,
                                   View<float> targets) = 0;
  /// out (2B) = first (B), then second (B).
  virtual void concatenate(View<const int32_t> first, View<const int32_t> second,
                           View<int32_t> out) = 0;
  /// Sorts the ids (B) of a batch, all in [0, id_limit).
  virtual void deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) = 0;
};

}  // namespace mgqe

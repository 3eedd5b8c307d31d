// Feed: the batches of an epoch, drawn on the device. What an epoch holds is known in advance;
// nothing is read back from the device, and nothing allocated, between begin_epoch() and its end.
#pragma once

#include <memory>

#include "host/data/dataset.hpp"
#include "host/data/relevance.hpp"
#include "models/model.hpp"

namespace mgqe {

class Feed {
 public:
  virtual ~Feed() = default;

  /// What a loss is a mean over: pairs, or tokens of sequences.
  virtual int64_t examples_per_epoch() const = 0;
  virtual int64_t steps_per_epoch() const = 0;
  virtual void begin_epoch(const StepState& state) = 0;

  struct Step {
    Batch batch;
    int64_t examples;
  };
  /// The next step of the epoch, after begin_step(state); the last may be shorter. Valid until the
  /// next call.
  virtual Step next(View<const StepState> state) = 0;
};

/// Users' positives, each once an epoch, and --negatives beside each.
std::unique_ptr<Feed> make_pair_feed(Backend& backend, const Dataset& dataset,
                                     const Config& config);
/// Users' training sequences, each user once an epoch, --batch users a step.
std::unique_ptr<Feed> make_sequence_feed(Backend& backend, const Dataset& dataset,
                                         const Config& config);
/// Scored pairs, each once an epoch; targets are scores / kRelevanceScale.
std::unique_ptr<Feed> make_scored_pair_feed(Backend& backend, const ScoredPairs& pairs,
                                            const Config& config);

}  // namespace mgqe

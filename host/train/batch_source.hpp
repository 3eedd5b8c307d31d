// BatchSource: the batches of an epoch, drawn on the device. What an epoch holds is known in
// advance; nothing is read back from the device, and nothing allocated, between begin_epoch() and
// its end.
#pragma once

#include <algorithm>
#include <memory>

#include "host/data/ctr/ctr_rows.hpp"
#include "host/data/dataset.hpp"
#include "host/data/relevance/relevance.hpp"
#include "host/engine/look_ahead.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// What a loss is a mean over: pairs, or tokens of sequences.
  virtual int64_t examples_per_epoch() const = 0;
  virtual int64_t steps_per_epoch() const = 0;
  virtual void begin_epoch(const StepState& state) = 0;

  /// The next steps of the epoch, as far as they are alike.
  struct Stretch {
    int64_t steps;     // 0 at the end of the epoch
    int64_t examples;  // of each, of all ranks together
    bool repeats;      // draw() makes the same op calls in every step of so many examples
  };
  virtual Stretch ahead() const = 0;
  /// The ops of `on` that draw this rank's share of the next step's batch, after
  /// begin_step(state). They are all it does: the feed moves on by advance(). The batch is valid
  /// until the next call, or, among ranks, the next but one (LookAhead).
  virtual Batch draw(Backend& on, View<const StepState> state) = 0;
  virtual void advance(int64_t steps) = 0;
};

/// How far an epoch of batches of pairs is; the last batch may be shorter.
struct PairEpoch {
  int64_t pairs = 0;
  int64_t batch = 1;
  int64_t drawn = 0;

  int64_t steps() const { return (pairs + batch - 1) / batch; }
  BatchSource::Stretch ahead() const {
    const int64_t left = pairs - drawn;
    return left >= batch ? BatchSource::Stretch{left / batch, batch, true}
                         : BatchSource::Stretch{left > 0 ? 1 : 0, left, true};
  }
  void advance(int64_t steps) { drawn = std::min(pairs, drawn + steps * batch); }
};

/// Users' positives, each once an epoch, and --negatives beside each.
std::unique_ptr<BatchSource> make_pair_batches(Backend& backend, const Dataset& dataset,
                                               const Config& config);
/// Users' training sequences, each user once an epoch, --batch users a step.
std::unique_ptr<BatchSource> make_sequence_batches(Backend& backend, const Dataset& dataset,
                                                   const Config& config);
/// Scored pairs, each once an epoch; targets are scores / kRelevanceScale.
std::unique_ptr<BatchSource> make_scored_pair_batches(Backend& backend, const ScoredPairs& pairs,
                                                      const Config& config);
/// Labelled rows, each once an epoch, read as they are needed. Both must outlive it.
std::unique_ptr<BatchSource> make_row_batches(Backend& backend, const CtrRows& rows,
                                              const FeatureLayout& layout, const Config& config);

}  // namespace mgqe

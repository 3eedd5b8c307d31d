// TrainingLoop: a model, its feed and the step that joins them. An epoch is begin_epoch() and
// steps_per_epoch() steps; in between nothing is allocated, copied, waited for or read back.
#pragma once

#include <optional>

#include "host/engine/look_ahead.hpp"
#include "host/io/checkpoint.hpp"
#include "host/train/task.hpp"

namespace mgqe {

class TrainingLoop {
 public:
  TrainingLoop(Backend& backend, const Task& task, const Config& config);

  int64_t examples_per_epoch() const { return batches_->examples_per_epoch(); }
  int64_t steps_per_epoch() const { return batches_->steps_per_epoch(); }

  /// What every learning rate is multiplied by, from the next epoch on.
  void set_rate_factor(double factor) { rate_factor_ = factor; }
  double rate_factor() const { return rate_factor_; }
  /// epoch is 1 for the first.
  void begin_epoch(int epoch);
  /// The next steps of the epoch, `limit` at most, as many as the device likes to take at once;
  /// returns how many. The last one of an epoch may be a shorter batch.
  int64_t advance(int64_t limit);
  /// The next step.
  void step() { advance(1); }
  /// Mean loss of all ranks' examples since begin_epoch(); waits for the device.
  double mean_loss() const;

  /// Of this rank's examples alone; waits for the device.
  double loss_sum() const { return loss_sum_.to_host()[0]; }

  Model& model() { return *model_; }

  /// Where training stands, apart from the arrays.
  struct Position {
    int epoch = 0;                  // 0 before the first
    int64_t epoch_steps = 0;        // of it, done
    int64_t epoch_examples = 0;     // in those
    std::vector<double> loss_sums;  // of those, by rank: their sum is rounded in rank order
    uint64_t steps = 0;             // since the start of training
  };
  /// Over all ranks. Waits for the device, as does checkpoint_arrays().
  Position position() const;
  int epoch() const { return epoch_; }
  int64_t epoch_steps() const { return epoch_steps_; }
  uint64_t steps() const { return steps_; }
  /// Everything this rank has to put into a checkpoint: arrays of the model and the optimizer's
  /// step count, those that every rank has from rank 0 alone. whole: what they are of.
  ArrayMap checkpoint_arrays(CheckpointArrays& whole);
  ArrayMap checkpoint_arrays() {
    CheckpointArrays whole;
    return checkpoint_arrays(whole);
  }
  /// Goes on from there, to the bit: to be called before the first epoch. The arrays are whole, or,
  /// of those sharded over ranks, this rank's rows. InputError where they are not those of this
  /// model.
  void restore(const Position& position, const ArrayMap& arrays);

 private:
  void step_ops();
  void step_among_ranks();
  void look_ahead();
  void start_from(const StepState& state);
  void restore_arrays(const ArrayMap& arrays);

  Backend& backend_;
  AdamOptions adam_;
  uint64_t seed_;
  double rate_factor_ = 1.0;
  std::unique_ptr<BatchSource> batches_;
  std::unique_ptr<Model> model_;
  Tensor<StepState> state_, next_state_;  // of the step under way; of the one prepared
  Tensor<double> loss_sum_;               // (1)
  LookAhead look_ahead_;                  // its stream goes before the arrays it works on
  std::optional<Batch> next_;             // among ranks: prepared already
  std::unique_ptr<StepRunner> runner_;    // what it recorded goes before the arrays it names
  uint64_t steps_ = 0;                    // begun since the start of training
  int epoch_ = 0;
  int64_t epoch_steps_ = 0, examples_done_ = 0;  // of this epoch, by all ranks
};

}  // namespace mgqe

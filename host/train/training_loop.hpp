// TrainingLoop: a model, its feed and the step that joins them. An epoch is begin_epoch() and
// steps_per_epoch() steps; in between nothing is allocated, copied, waited for or read back.
#pragma once

#include "host/train/task.hpp"

namespace mgqe {

class TrainingLoop {
 public:
  TrainingLoop(Backend& backend, const Task& task, const Config& config);

  int64_t examples_per_epoch() const { return feed_->examples_per_epoch(); }
  int64_t steps_per_epoch() const { return feed_->steps_per_epoch(); }

  /// epoch is 1 for the first.
  void begin_epoch(int epoch);
  /// The next steps of the epoch, `limit` at most, as many as the device likes to take at once;
  /// returns how many. The last one of an epoch may be a shorter batch.
  int64_t advance(int64_t limit);
  /// The next step.
  void step() { advance(1); }
  /// Mean loss of all ranks' examples since begin_epoch(); waits for the device.
  double mean_loss() const;

  int64_t examples_done() const { return examples_done_; }

  Model& model() { return *model_; }
  /// Everything a checkpoint holds: the model's arrays and the optimizer's step count.
  ArrayMap checkpoint_arrays();

 private:
  void step_ops();

  Backend& backend_;
  AdamOptions adam_;
  uint64_t seed_;
  std::unique_ptr<Feed> feed_;
  std::unique_ptr<Model> model_;
  Tensor<StepState> state_;
  Tensor<double> loss_sum_;             // (1)
  std::unique_ptr<StepRunner> runner_;  // what it recorded goes before the arrays it names
  uint64_t steps_ = 0;                  // begun since the start of training
  int64_t examples_done_ = 0;           // of this epoch, by all ranks
};

}  // namespace mgqe

// TrainingLoop: a model, its data on the device and the step that joins them. An epoch is
// begin_epoch() and steps_per_epoch() calls of step(); nothing is read back in between.
#pragma once

#include "host/data/dataset.hpp"
#include "models/model.hpp"

namespace mgqe {

class TrainingLoop {
 public:
  TrainingLoop(Backend& backend, const Dataset& dataset, const Config& config);

  int64_t pairs_per_epoch() const { return sampler_.pairs_per_epoch(); }
  int64_t steps_per_epoch() const;

  /// epoch is 1 for the first.
  void begin_epoch(int epoch);
  /// The next step; the last one of an epoch may be a shorter batch.
  void step();
  /// Mean loss of the pairs since begin_epoch(); waits for the device.
  double mean_loss() const;

  Model& model() { return *model_; }
  /// Everything a checkpoint holds: the model's arrays and the optimizer's step count.
  ArrayMap checkpoint_arrays();

 private:
  Backend& backend_;
  AdamOptions adam_;
  uint64_t seed_;
  int64_t batch_;
  std::unique_ptr<Model> model_;

  Tensor<int64_t> train_offsets_;
  Tensor<int32_t> train_items_, positive_user_;
  PairSampler sampler_;

  Tensor<StepState> state_;
  Tensor<int32_t> users_, items_;  // (B)
  Tensor<float> labels_;           // (B)
  Tensor<double> loss_sum_;        // (1)
  uint64_t steps_ = 0;             // begun since the start of training
  int64_t pairs_done_ = 0;         // of this epoch
};

}  // namespace mgqe

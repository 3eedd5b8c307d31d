// What both tasks of pairs share: batches drawn into one of two sets of tensors, a rank's share
// each.
#pragma once

#include "host/train/batch_source.hpp"

namespace mgqe {

class PairBatchSource : public BatchSource {
 public:
  int64_t examples_per_epoch() const override { return epoch_.pairs; }
  int64_t steps_per_epoch() const override { return epoch_.steps(); }
  void begin_epoch(const StepState&) override { epoch_.drawn = 0; }
  Stretch ahead() const override { return epoch_.ahead(); }
  void advance(int64_t steps) override { epoch_.advance(steps); }

  Batch draw(Backend& on, View<const StepState> state) override {
    const int64_t pairs = epoch_.ahead().examples;
    const BatchShare share = BatchShare::of(backend_.communicator(), pairs);
    Drawn& drawn = drawn_.turn();
    const View<int32_t> left = drawn.left.view().slice(0, share.count);
    const View<int32_t> right = drawn.right.view().slice(0, share.count);
    const View<float> targets = drawn.targets.view().slice(0, share.count);
    sample(on, state, share.first, left, right, targets);
    return {.pairs = {left, right, targets},
            .tokens = {},
            .examples = pairs,
            .first_example = share.first};
  }

 protected:
  PairBatchSource(Backend& backend, int64_t batch)
      : backend_(backend), drawn_(backend, [&] { return Drawn(backend, batch); }) {
    epoch_.batch = batch;
  }

  /// To be called once by the constructor of the task's source.
  void set_pairs_per_epoch(int64_t pairs) { epoch_.pairs = pairs; }

  /// Fills in this rank's share, whose first pair is number `first` of all ranks' batch.
  virtual void sample(Backend& on, View<const StepState> state, int64_t first, View<int32_t> left,
                      View<int32_t> right, View<float> targets) = 0;

 private:
  struct Drawn {
    Drawn(Backend& backend, int64_t batch)
        : left(backend, BatchShare::most(backend.communicator(), batch)),
          right(backend, left.rows()),
          targets(backend, left.rows()) {}
    Tensor<int32_t> left, right;  // (B)
    Tensor<float> targets;        // (B)
  };

  Backend& backend_;
  DoubleBuffer<Drawn> drawn_;
  PairEpoch epoch_;
};

}  // namespace mgqe

#include "host/train/training_loop.hpp"

#include <algorithm>

namespace mgqe {

TrainingLoop::TrainingLoop(Backend& backend, const Task& task, const Config& config)
    : backend_(backend),
      adam_(optimizer_options(config.train).adam),
      seed_(config.run.seed),
      feed_(task.make_feed()),
      model_(make_model(backend, config, task.catalogue())),
      state_(backend, 1),
      loss_sum_(backend, 1) {}

void TrainingLoop::begin_epoch(int epoch) {
  StepState state{};
  state.step = steps_;
  state.epoch = static_cast<uint64_t>(epoch);
  state.shuffle_key = random_u64(stream_key(seed_, RandomStream::kShuffle), state.epoch);
  state_.assign(std::span(&state, 1));
  loss_sum_.zero();
  examples_done_ = 0;
  feed_->begin_epoch(state);
  model_->begin_epoch(epoch);
}

void TrainingLoop::step() {
  backend_.begin_step(state_, adam_);
  const Feed::Step step = feed_->next(state_);
  model_->train_step(step.batch, state_, loss_sum_);
  steps_ += 1;
  examples_done_ += step.examples;
}

double TrainingLoop::mean_loss() const {
  return loss_sum_.to_host()[0] / static_cast<double>(std::max<int64_t>(examples_done_, 1));
}

ArrayMap TrainingLoop::checkpoint_arrays() {
  ArrayMap arrays;
  model_->visit([&](const std::string& name, Tensor<float>& tensor) {
    arrays.emplace(name, HostArray(tensor.to_host(), {tensor.rows(), tensor.cols()}));
  });
  arrays.emplace("optimizer.step", HostArray(std::vector<uint64_t>{steps_}, {1}));
  return arrays;
}

}  // namespace mgqe

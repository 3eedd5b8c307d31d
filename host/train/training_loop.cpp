#include "host/train/training_loop.hpp"

#include <algorithm>

#include "host/core/range.hpp"
#include "models/row_exchange.hpp"

namespace mgqe {

TrainingLoop::TrainingLoop(Backend& backend, const Task& task, const Config& config)
    : backend_(backend),
      adam_(optimizer_options(config.train).adam),
      seed_(config.run.seed),
      feed_(task.make_feed()),
      model_(make_model(backend, config, task.catalogue())),
      state_(backend, 1),
      loss_sum_(backend, 1),
      runner_(backend.make_step_runner()) {}

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

int64_t TrainingLoop::advance(int64_t limit) {
  const Feed::Stretch ahead = feed_->ahead();
  MGQE_CHECK(ahead.steps > 0 && limit > 0, ahead.steps, " steps are left, ", limit, " asked for");
  int64_t steps = 1;
  Communicator& ranks = backend_.communicator();
  ranks.begin_step(steps_ + 1);
  // Among ranks the sizes of exchanges differ from step to step, and the host must know them.
  if (ahead.repeats && ranks.alone())
    steps = runner_->run({ahead.examples, model_->phase()}, std::min(limit, ahead.steps),
                         [this] { step_ops(); });
  else
    step_ops();
  feed_->advance(steps);
  steps_ += static_cast<uint64_t>(steps);
  examples_done_ += steps * ahead.examples;
  return steps;
}

/// Op calls alone (StepBody): advance() does the counting.
void TrainingLoop::step_ops() {
  const Range range(backend_, "step");
  backend_.begin_step(state_, adam_);
  model_->train_step(feed_->draw(state_), state_, loss_sum_);
}

double TrainingLoop::mean_loss() const {
  std::vector<double> sum = loss_sum_.to_host();
  sum_over_ranks(backend_.communicator(), sum);
  return sum[0] / static_cast<double>(std::max<int64_t>(examples_done_, 1));
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

#include "host/train/training_loop.hpp"

#include <algorithm>
#include <numeric>

#include "host/engine/profile_range.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

TrainingLoop::TrainingLoop(Backend& backend, const Task& task, const Config& config)
    : backend_(backend),
      adam_(optimizer_options(config.train).adam),
      seed_(config.run.seed),
      batches_(task.make_batch_source()),
      model_(make_model(backend, config, task.catalogue())),
      state_(backend, 1),
      next_state_(backend, 1),
      loss_sum_(backend, 1),
      look_ahead_(backend),
      runner_(backend.make_step_runner()) {}

void TrainingLoop::begin_epoch(int epoch) {
  StepState state{};
  state.step = steps_;
  state.epoch = static_cast<uint64_t>(epoch);
  state.rate_cut = static_cast<float>(1.0 - rate_factor_);
  state.shuffle_key = random_u64(stream_key(seed_, RandomStream::kShuffle), state.epoch);
  start_from(state);
  loss_sum_.zero();
  epoch_ = epoch;
  epoch_steps_ = 0;
  examples_done_ = 0;
  batches_->begin_epoch(state);
  model_->begin_epoch(epoch);
}

int64_t TrainingLoop::advance(int64_t limit) {
  const BatchSource::Stretch ahead = batches_->ahead();
  MGQE_CHECK(ahead.steps > 0 && limit > 0, ahead.steps, " steps are left, ", limit, " asked for");
  int64_t steps = 1;
  Communicator& ranks = backend_.communicator();
  ranks.begin_step(steps_ + 1);
  if (!ranks.alone())
    step_among_ranks();
  else if (ahead.repeats)
    steps = runner_->run({ahead.examples, model_->phase()}, std::min(limit, ahead.steps),
                         [this] { step_ops(); });
  else
    step_ops();
  batches_->advance(steps);
  steps_ += static_cast<uint64_t>(steps);
  epoch_steps_ += steps;
  examples_done_ += steps * ahead.examples;
  if (!ranks.alone() && batches_->ahead().steps > 0) look_ahead();
  return steps;
}

/// Op calls alone (StepBody): advance() does the counting.
void TrainingLoop::step_ops() {
  const ProfileRange range(backend_, "step");
  backend_.begin_step(state_, adam_);
  const Batch batch = batches_->draw(backend_, state_);
  model_->prepare(backend_, batch);
  model_->train_step(batch, state_, loss_sum_);
}

void TrainingLoop::step_among_ranks() {
  if (!next_) look_ahead();
  const ProfileRange range(backend_, "step");
  look_ahead_.begin_step();
  backend_.begin_step(state_, adam_);
  model_->train_step(*next_, state_, loss_sum_);
  next_.reset();
}

/// Draws and prepares the next step of the epoch.
void TrainingLoop::look_ahead() {
  Backend& stream = look_ahead_.stream();
  stream.begin_step(next_state_, adam_);
  next_ = batches_->draw(stream, next_state_);
  model_->prepare(stream, *next_);
}

/// Where the next step begins; what was prepared of another is forgotten.
void TrainingLoop::start_from(const StepState& state) {
  look_ahead_.stream().synchronize();
  next_.reset();
  state_.assign(std::span(&state, 1));
  next_state_.assign(std::span(&state, 1));
}

double TrainingLoop::mean_loss() const {
  std::vector<double> sum = loss_sum_.to_host();
  sum_over_ranks(backend_.communicator(), sum);
  return sum[0] / static_cast<double>(std::max<int64_t>(examples_done_, 1));
}

TrainingLoop::Position TrainingLoop::position() const {
  Communicator& ranks = backend_.communicator();
  std::vector<double> sums(static_cast<size_t>(ranks.size()), 0.0);
  sums[static_cast<size_t>(ranks.rank())] = loss_sum();
  sum_over_ranks(ranks, sums);
  return {epoch_, epoch_steps_, examples_done_, sums, steps_};
}

namespace {

/// Straight into the array: a second copy of a large table would not fit beside it.
template <class T>
HostArray host_array(Backend& backend, const Tensor<T>& tensor) {
  HostArray array;
  array.dtype = dtype_of<T>();
  array.shape = {tensor.rows(), tensor.cols()};
  array.bytes.resize(static_cast<size_t>(tensor.size()) * sizeof(T));
  if (!array.bytes.empty()) backend.download(array.bytes.data(), tensor.data(), array.bytes.size());
  return array;
}

}  // namespace

void TrainingLoop::restore(const Position& position, const ArrayMap& arrays) {
  MGQE_CHECK(epoch_ == 0 && position.epoch > 0, "in epoch ", epoch_, ", to ", position.epoch);
  MGQE_CHECK(position.epoch_steps <= steps_per_epoch(), position.epoch_steps, " steps of ",
             steps_per_epoch());
  steps_ = position.steps;
  // Before the arrays: what it changes in them at the start of an epoch, it has changed.
  begin_epoch(position.epoch);
  restore_arrays(arrays);
  StepState state = state_.to_host()[0];
  state.step_in_epoch = static_cast<uint64_t>(position.epoch_steps);
  start_from(state);
  const Communicator& ranks = backend_.communicator();
  const std::vector<double>& sums = position.loss_sums;
  double sum = 0.0;
  if (sums.size() == static_cast<size_t>(ranks.size()))
    sum = sums[static_cast<size_t>(ranks.rank())];
  else if (ranks.leads())
    sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  loss_sum_.assign(std::span(&sum, 1));
  batches_->advance(position.epoch_steps);
  epoch_steps_ = position.epoch_steps;
  examples_done_ = position.epoch_examples;
}

void TrainingLoop::restore_arrays(const ArrayMap& arrays) {
  size_t restored = 1;  // the optimizer's step count
  const auto restore = [&]<class T>(const std::string& name, Tensor<T>& tensor,
                                    const RowSharding& sharding) {
    const auto found = arrays.find(name);
    if (found == arrays.end()) input_error("its model has no array ", name, ", which this one has");
    const HostArray& array = found->second;
    const bool whole = array.shape == std::vector{sharding.rows, tensor.cols()};
    const bool share = array.shape == std::vector{tensor.rows(), tensor.cols()};
    if (array.dtype != dtype_of<T>())
      input_error("the array ", name,
                  " of its model is not of the type that this one has: was it "
                  "trained with another --row-type?");
    if (!(whole || share))
      input_error("the array ", name, " of its model is not of the shape (", sharding.rows, ", ",
                  tensor.cols(), ") that this one has");
    if (whole && !share)
      tensor.assign(shard_rows(array, sharding.rank, sharding.ranks).template as<T>());
    else
      tensor.assign(array.as<T>());
    ++restored;
  };
  model_->visit(restore);
  if (restored != arrays.size())
    input_error("its model has ", arrays.size() - 1, " arrays, of which this one has ",
                restored - 1);
}

ArrayMap TrainingLoop::checkpoint_arrays(CheckpointArrays& whole) {
  const bool leads = backend_.communicator().leads();
  ArrayMap arrays;
  const auto take = [&]<class T>(const std::string& name, Tensor<T>& tensor,
                                 const RowSharding& sharding) {
    const bool sharded = sharding.ranks > 1;
    whole[name] = {dtype_of<T>(),
                   {sharding.rows, tensor.cols()},
                   sharded ? ArrayLayout::kRowsSharded : ArrayLayout::kReplicated};
    if (sharded || leads) arrays.emplace(name, host_array(backend_, tensor));
  };
  model_->visit(take);
  whole["optimizer.step"] = {DType::kU64, {1}, ArrayLayout::kReplicated};
  if (leads) arrays.emplace("optimizer.step", HostArray(std::vector<uint64_t>{steps_}, {1}));
  return arrays;
}

}  // namespace mgqe

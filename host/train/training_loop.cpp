#include "host/train/training_loop.hpp"

#include <algorithm>

namespace mgqe {
namespace {

std::vector<int32_t> user_of_each_item(const std::vector<int64_t>& offsets) {
  std::vector<int32_t> users(static_cast<size_t>(offsets.back()));
  for (size_t user = 0; user + 1 < offsets.size(); ++user)
    std::fill(users.begin() + offsets[user], users.begin() + offsets[user + 1],
              static_cast<int32_t>(user));
  return users;
}

}  // namespace

TrainingLoop::TrainingLoop(Backend& backend, const Dataset& dataset, const Config& config)
    : backend_(backend),
      adam_(optimizer_options(config.train).adam),
      seed_(config.run.seed),
      batch_(config.train.batch),
      model_(make_model(backend, config, dataset.users, dataset.items)),
      train_offsets_(backend, dataset.train_offsets),
      train_items_(backend, dataset.train_items),
      positive_user_(backend, user_of_each_item(dataset.train_offsets)),
      state_(backend, 1),
      users_(backend, batch_),
      items_(backend, batch_),
      labels_(backend, batch_),
      loss_sum_(backend, 1) {
  sampler_.histories = {train_offsets_.view(), train_items_.view()};
  sampler_.positive_user = positive_user_.view();
  sampler_.items = dataset.items;
  sampler_.negatives = config.train.negatives;
  sampler_.batch = batch_;
  sampler_.negative_key = stream_key(config.run.seed, RandomStream::kNegatives);
}

int64_t TrainingLoop::steps_per_epoch() const { return (pairs_per_epoch() + batch_ - 1) / batch_; }

void TrainingLoop::begin_epoch(int epoch) {
  StepState state{};
  state.step = steps_;
  state.epoch = static_cast<uint64_t>(epoch);
  state.shuffle_key = random_u64(stream_key(seed_, RandomStream::kShuffle), state.epoch);
  state_.assign(std::span(&state, 1));
  loss_sum_.zero();
  pairs_done_ = 0;
}

void TrainingLoop::step() {
  const int64_t pairs = std::min(batch_, pairs_per_epoch() - pairs_done_);
  MGQE_CHECK(pairs > 0, "the epoch is over");
  const View<int32_t> users = users_.view().slice(0, pairs);
  const View<int32_t> items = items_.view().slice(0, pairs);
  const View<float> labels = labels_.view().slice(0, pairs);
  backend_.begin_step(state_, adam_);
  backend_.sample_pairs(sampler_, state_, users, items, labels);
  model_->train_step({users, items, labels}, state_, loss_sum_);
  steps_ += 1;
  pairs_done_ += pairs;
}

double TrainingLoop::mean_loss() const {
  return loss_sum_.to_host()[0] / static_cast<double>(std::max<int64_t>(pairs_done_, 1));
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

#include <algorithm>

#include "host/train/batch_source.hpp"

namespace mgqe {
namespace {

std::vector<int32_t> user_of_each_item(const std::vector<int64_t>& offsets) {
  std::vector<int32_t> users(static_cast<size_t>(offsets.back()));
  for (size_t user = 0; user + 1 < offsets.size(); ++user)
    std::fill(users.begin() + offsets[user], users.begin() + offsets[user + 1],
              static_cast<int32_t>(user));
  return users;
}

class PairBatches final : public BatchSource {
 public:
  PairBatches(Backend& backend, const Dataset& dataset, const Config& config)
      : backend_(backend),
        train_offsets_(backend, dataset.train_offsets),
        train_items_(backend, dataset.train_items),
        positive_user_(backend, user_of_each_item(dataset.train_offsets)),
        drawn_(backend, [&] { return Drawn(backend, config.train.batch); }) {
    sampler_.histories = {train_offsets_.view(), train_items_.view()};
    sampler_.positive_user = positive_user_.view();
    sampler_.items = dataset.items;
    sampler_.negatives = config.train.negatives;
    sampler_.batch = config.train.batch;
    sampler_.negative_key = stream_key(config.run.seed, RandomStream::kNegatives);
    epoch_ = {sampler_.pairs_per_epoch(), sampler_.batch};
  }

  int64_t examples_per_epoch() const override { return epoch_.pairs; }
  int64_t steps_per_epoch() const override { return epoch_.steps(); }
  void begin_epoch(const StepState&) override { epoch_.drawn = 0; }
  Stretch ahead() const override { return epoch_.ahead(); }
  void advance(int64_t steps) override { epoch_.advance(steps); }

  Batch draw(Backend& on, View<const StepState> state) override {
    const int64_t pairs = epoch_.ahead().examples;
    const BatchShare share = BatchShare::of(backend_.communicator(), pairs);
    Drawn& drawn = drawn_.turn();
    const View<int32_t> users = drawn.users.view().slice(0, share.count);
    const View<int32_t> items = drawn.items.view().slice(0, share.count);
    const View<float> labels = drawn.labels.view().slice(0, share.count);
    sampler_.first = share.first;
    on.sample_pairs(sampler_, state, users, items, labels);
    return {.pairs = {users, items, labels},
            .tokens = {},
            .examples = pairs,
            .first_example = share.first};
  }

 private:
  struct Drawn {
    Drawn(Backend& backend, int64_t batch)
        : users(backend, BatchShare::most(backend.communicator(), batch)),
          items(backend, users.rows()),
          labels(backend, users.rows()) {}
    Tensor<int32_t> users, items;  // (B)
    Tensor<float> labels;          // (B)
  };

  Backend& backend_;
  Tensor<int64_t> train_offsets_;
  Tensor<int32_t> train_items_, positive_user_;
  PairSampler sampler_;
  DoubleBuffer<Drawn> drawn_;
  PairEpoch epoch_;
};

}  // namespace

std::unique_ptr<BatchSource> make_pair_batches(Backend& backend, const Dataset& dataset,
                                               const Config& config) {
  return std::make_unique<PairBatches>(backend, dataset, config);
}

}  // namespace mgqe

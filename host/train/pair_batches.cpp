#include <algorithm>

#include "host/train/pair_batch_source.hpp"

namespace mgqe {
namespace {

std::vector<int32_t> user_of_each_item(const std::vector<int64_t>& offsets) {
  std::vector<int32_t> users(static_cast<size_t>(offsets.back()));
  for (size_t user = 0; user + 1 < offsets.size(); ++user)
    std::fill(users.begin() + offsets[user], users.begin() + offsets[user + 1],
              static_cast<int32_t>(user));
  return users;
}

class PairBatches final : public PairBatchSource {
 public:
  PairBatches(Backend& backend, const Dataset& dataset, const Config& config)
      : PairBatchSource(backend, config.train.batch),
        train_offsets_(backend, dataset.train_offsets),
        train_items_(backend, dataset.train_items),
        positive_user_(backend, user_of_each_item(dataset.train_offsets)) {
    sampler_.histories = {train_offsets_.view(), train_items_.view()};
    sampler_.positive_user = positive_user_.view();
    sampler_.items = dataset.items;
    sampler_.negatives = config.train.negatives;
    sampler_.batch = config.train.batch;
    sampler_.negative_key = stream_key(config.run.seed, RandomStream::kNegatives);
    set_pairs_per_epoch(sampler_.pairs_per_epoch());
  }

 private:
  void sample(Backend& on, View<const StepState> state, int64_t first, View<int32_t> users,
              View<int32_t> items, View<float> labels) override {
    sampler_.first = first;
    on.sample_pairs(sampler_, state, users, items, labels);
  }

  Tensor<int64_t> train_offsets_;
  Tensor<int32_t> train_items_, positive_user_;
  PairSampler sampler_;
};

}  // namespace

std::unique_ptr<BatchSource> make_pair_batches(Backend& backend, const Dataset& dataset,
                                               const Config& config) {
  return std::make_unique<PairBatches>(backend, dataset, config);
}

}  // namespace mgqe

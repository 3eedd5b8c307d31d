// The order of users and the token offsets of every step follow from the epoch's key alone, so the
// host computes them at the start of an epoch and uploads both at once.
//
// No two steps are alike: the number of tokens differs, and with it the shape of every op, as do
// the places of the step's users and offsets. So these steps are not recorded. Recording each anew
// to update a graph (cudaGraphExecUpdate) was weighed and left: it makes every op call a second
// time over, while a step is estimated at 0.4 ms of work on an H100 for about a hundred launches,
// enough to hide them (not yet run on a GPU). Padding to a few fixed sizes would compute tokens
// that are not there.
#include <algorithm>
#include <optional>

#include "host/train/batch_source.hpp"

namespace mgqe {
namespace {

class SequenceBatches final : public BatchSource {
 public:
  SequenceBatches(Backend& backend, const Dataset& dataset, const Config& config)
      : backend_(backend),
        batch_(config.train.batch),
        sequence_offsets_(backend, dataset.sequence_offsets),
        sequence_items_(backend, dataset.sequence_items),
        train_offsets_(backend, dataset.train_offsets),
        train_items_(backend, dataset.train_items) {
    sampler_.offsets = sequence_offsets_.view();
    sampler_.actions = sequence_items_.view();
    sampler_.histories = {train_offsets_.view(), train_items_.view()};
    sampler_.items = dataset.items;
    sampler_.max_length = config.model.max_length;
    sampler_.negative_key = stream_key(config.run.seed, RandomStream::kNegatives);

    SequenceSampler on_host = sampler_;
    on_host.offsets = View<const int64_t>(dataset.sequence_offsets.data(),
                                          static_cast<int64_t>(dataset.sequence_offsets.size()));
    for (int64_t user = 0; user < dataset.users; ++user) {
      const int64_t length = on_host.length(user);
      if (length == 0) continue;
      users_.push_back(static_cast<int32_t>(user));
      lengths_.push_back(length);
      tokens_ += length;
      longest_ = std::max(longest_, length);
    }
    if (users_.empty())
      input_error(dataset.name, ": no user has two training actions, which a sequence needs");
    share_ = BatchShare::most(backend.communicator(), batch_);
    epoch_users_ = Tensor<int32_t>(backend, steps_per_epoch(), share_);
    epoch_offsets_ = Tensor<int32_t>(backend, steps_per_epoch(), share_ + 1);
    drawn_.emplace(backend, [&] { return Drawn(backend, share_ * longest_); });
  }

  int64_t examples_per_epoch() const override { return tokens_; }
  int64_t steps_per_epoch() const override {
    return (static_cast<int64_t>(users_.size()) + batch_ - 1) / batch_;
  }

  void begin_epoch(const StepState& state) override {
    const auto count = static_cast<int64_t>(users_.size());
    const Permutation shuffle(static_cast<uint64_t>(count), state.shuffle_key);
    std::vector<int32_t> users(static_cast<size_t>(epoch_users_.size()), 0);
    std::vector<int32_t> offsets(static_cast<size_t>(epoch_offsets_.size()), 0);
    steps_.assign(static_cast<size_t>(steps_per_epoch()), Step{});
    for (int64_t i = 0; i < count; ++i) {
      const auto place = static_cast<size_t>(shuffle(static_cast<uint64_t>(i)));
      const int64_t number = i / batch_, in_batch = i % batch_;
      Step& step = steps_[static_cast<size_t>(number)];
      const BatchShare share =
          BatchShare::of(backend_.communicator(), std::min(batch_, count - number * batch_));
      step.all_tokens += lengths_[place];
      if (in_batch < share.first) step.first_token += lengths_[place];
      const int64_t mine = in_batch - share.first;
      if (mine < 0 || mine >= share.count) continue;
      step.tokens += lengths_[place];
      step.users = mine + 1;
      users[number * share_ + mine] = users_[place];
      offsets[number * (share_ + 1) + mine + 1] = static_cast<int32_t>(step.tokens);
    }
    epoch_users_.assign(users);
    epoch_offsets_.assign(offsets);
    step_ = 0;
  }

  Stretch ahead() const override {
    if (step_ == steps_per_epoch()) return {0, 0, false};
    return {1, steps_[static_cast<size_t>(step_)].all_tokens, false};
  }
  void advance(int64_t steps) override { step_ += steps; }

  Batch draw(Backend& on, View<const StepState> state) override {
    const Step& step = steps_[static_cast<size_t>(step_)];
    Drawn& room = drawn_->turn();
    SequenceTokens drawn{
        {View<const int32_t>(epoch_offsets_.view().row(step_), step.users + 1), longest_},
        room.inputs.view().slice(0, step.tokens),
        room.positions.view().slice(0, step.tokens),
        room.positives.view().slice(0, step.tokens),
        room.negatives.view().slice(0, step.tokens)};
    on.sample_sequences(sampler_, state,
                        View<const int32_t>(epoch_users_.view().row(step_), step.users), drawn);
    return {.pairs = {},
            .tokens = drawn,
            .examples = step.all_tokens,
            .first_example = step.first_token};
  }

 private:
  /// This rank's share of a step's batch.
  struct Step {
    int64_t users = 0, tokens = 0;
    int64_t first_token = 0;  // number of its first one in the whole batch
    int64_t all_tokens = 0;   // of all ranks
  };

  struct Drawn {
    Drawn(Backend& backend, int64_t tokens)
        : inputs(backend, tokens),
          positions(backend, tokens),
          positives(backend, tokens),
          negatives(backend, tokens) {}
    Tensor<int32_t> inputs, positions, positives, negatives;  // (tokens of a step)
  };

  Backend& backend_;
  int64_t batch_;
  int64_t share_ = 0;  // users of a rank, at most
  Tensor<int64_t> sequence_offsets_;
  Tensor<int32_t> sequence_items_;
  Tensor<int64_t> train_offsets_;
  Tensor<int32_t> train_items_;
  SequenceSampler sampler_;

  std::vector<int32_t> users_;    // that have a token
  std::vector<int64_t> lengths_;  // theirs
  int64_t tokens_ = 0, longest_ = 0;

  Tensor<int32_t> epoch_users_;    // (steps, share) in the order of this epoch
  Tensor<int32_t> epoch_offsets_;  // (steps, share + 1)
  std::vector<Step> steps_;
  int64_t step_ = 0;
  std::optional<DoubleBuffer<Drawn>> drawn_;
};

}  // namespace

std::unique_ptr<BatchSource> make_sequence_batches(Backend& backend, const Dataset& dataset,
                                                   const Config& config) {
  return std::make_unique<SequenceBatches>(backend, dataset, config);
}

}  // namespace mgqe

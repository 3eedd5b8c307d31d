#include "host/train/batch_source.hpp"
#include "models/backbones/relevance_model.hpp"

namespace mgqe {
namespace {

std::vector<float> scaled_targets(const std::vector<float>& scores) {
  std::vector<float> targets;
  for (const float score : scores) targets.push_back(score / kRelevanceScale);
  return targets;
}

class ScoredPairBatches final : public BatchSource {
 public:
  ScoredPairBatches(Backend& backend, const ScoredPairs& pairs, const Config& config)
      : backend_(backend),
        all_left_(backend, pairs.left),
        all_right_(backend, pairs.right),
        all_targets_(backend, scaled_targets(pairs.score)),
        drawn_(backend, [&] { return Drawn(backend, config.train.batch); }) {
    sampler_ = {all_left_.view(), all_right_.view(), all_targets_.view(), config.train.batch};
    epoch_ = {all_targets_.rows(), config.train.batch};
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
    const View<int32_t> left = drawn.left.view().slice(0, share.count);
    const View<int32_t> right = drawn.right.view().slice(0, share.count);
    const View<float> targets = drawn.targets.view().slice(0, share.count);
    sampler_.first = share.first;
    on.sample_scored_pairs(sampler_, state, left, right, targets);
    return {.pairs = {left, right, targets},
            .tokens = {},
            .examples = pairs,
            .first_example = share.first};
  }

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
  Tensor<int32_t> all_left_, all_right_;  // (P)
  Tensor<float> all_targets_;             // (P)
  ScoredPairSampler sampler_;
  DoubleBuffer<Drawn> drawn_;
  PairEpoch epoch_;
};

}  // namespace

std::unique_ptr<BatchSource> make_scored_pair_batches(Backend& backend, const ScoredPairs& pairs,
                                                      const Config& config) {
  return std::make_unique<ScoredPairBatches>(backend, pairs, config);
}

}  // namespace mgqe

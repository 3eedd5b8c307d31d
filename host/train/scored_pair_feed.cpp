#include <algorithm>

#include "host/train/feed.hpp"
#include "models/relevance_model.hpp"

namespace mgqe {
namespace {

std::vector<float> scaled_targets(const std::vector<float>& scores) {
  std::vector<float> targets;
  for (const float score : scores) targets.push_back(score / kRelevanceScale);
  return targets;
}

class ScoredPairFeed final : public Feed {
 public:
  ScoredPairFeed(Backend& backend, const ScoredPairs& pairs, const Config& config)
      : backend_(backend),
        all_left_(backend, pairs.left),
        all_right_(backend, pairs.right),
        all_targets_(backend, scaled_targets(pairs.score)),
        left_(backend, config.train.batch),
        right_(backend, config.train.batch),
        targets_(backend, config.train.batch) {
    sampler_ = {all_left_.view(), all_right_.view(), all_targets_.view(), config.train.batch};
  }

  int64_t examples_per_epoch() const override { return all_targets_.rows(); }
  int64_t steps_per_epoch() const override {
    return (examples_per_epoch() + sampler_.batch - 1) / sampler_.batch;
  }
  void begin_epoch(const StepState&) override { drawn_ = 0; }

  Step next(View<const StepState> state) override {
    const int64_t pairs = std::min(sampler_.batch, examples_per_epoch() - drawn_);
    MGQE_CHECK(pairs > 0, "the epoch is over");
    drawn_ += pairs;
    const View<int32_t> left = left_.view().slice(0, pairs);
    const View<int32_t> right = right_.view().slice(0, pairs);
    const View<float> targets = targets_.view().slice(0, pairs);
    backend_.sample_scored_pairs(sampler_, state, left, right, targets);
    return {{.pairs = {left, right, targets}, .tokens = {}}, pairs};
  }

 private:
  Backend& backend_;
  Tensor<int32_t> all_left_, all_right_;  // (P)
  Tensor<float> all_targets_;             // (P)
  ScoredPairSampler sampler_;
  Tensor<int32_t> left_, right_;  // (B)
  Tensor<float> targets_;         // (B)
  int64_t drawn_ = 0;             // pairs of this epoch
};

}  // namespace

std::unique_ptr<Feed> make_scored_pair_feed(Backend& backend, const ScoredPairs& pairs,
                                            const Config& config) {
  return std::make_unique<ScoredPairFeed>(backend, pairs, config);
}

}  // namespace mgqe

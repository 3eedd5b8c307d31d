#include "host/train/pair_batch_source.hpp"
#include "models/backbones/relevance_model.hpp"

namespace mgqe {
namespace {

std::vector<float> scaled_targets(const std::vector<float>& scores) {
  std::vector<float> targets;
  targets.reserve(scores.size());
  for (const float score : scores) targets.push_back(score / kRelevanceScale);
  return targets;
}

class ScoredPairBatches final : public PairBatchSource {
 public:
  ScoredPairBatches(Backend& backend, const ScoredPairs& pairs, const Config& config)
      : PairBatchSource(backend, config.train.batch),
        all_left_(backend, pairs.left),
        all_right_(backend, pairs.right),
        all_targets_(backend, scaled_targets(pairs.score)) {
    sampler_ = {all_left_.view(), all_right_.view(), all_targets_.view(), config.train.batch};
    set_pairs_per_epoch(all_targets_.rows());
  }

 private:
  void sample(Backend& on, View<const StepState> state, int64_t first, View<int32_t> left,
              View<int32_t> right, View<float> targets) override {
    sampler_.first = first;
    on.sample_scored_pairs(sampler_, state, left, right, targets);
  }

  Tensor<int32_t> all_left_, all_right_;  // (P)
  Tensor<float> all_targets_;             // (P)
  ScoredPairSampler sampler_;
};

}  // namespace

std::unique_ptr<BatchSource> make_scored_pair_batches(Backend& backend, const ScoredPairs& pairs,
                                                      const Config& config) {
  return std::make_unique<ScoredPairBatches>(backend, pairs, config);
}

}  // namespace mgqe

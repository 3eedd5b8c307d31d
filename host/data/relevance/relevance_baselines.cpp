#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "host/data/relevance/relevance.hpp"

namespace mgqe {

namespace {

/// RMSE of predict(left, right) over pairs.
template <class Predict>
double rmse(const ScoredPairs& pairs, const Predict& predict) {
  double squares = 0.0;
  for (int64_t p = 0; p < pairs.size(); ++p) {
    const double error = pairs.score[p] - predict(pairs.left[p], pairs.right[p]);
    squares += error * error;
  }
  return std::sqrt(squares / static_cast<double>(pairs.size()));
}

/// Item biases by alternating least squares: each b_i in turn takes its optimum given the others,
///   b_i = sum over training pairs (i, j) of (s_ij - mean - b_j) / (count_i + lambda),
/// most frequent item first. The objective is a convex quadratic, so this converges to its minimum.
class BiasModel {
 public:
  explicit BiasModel(const RelevanceDataset& dataset)
      : mean_(dataset.mean_score),
        offsets_(dataset.items + 1),
        partners_(2 * dataset.train.size()),
        bias_(dataset.items) {
    const ScoredPairs& train = dataset.train;
    for (const auto* side : {&train.left, &train.right})
      for (const int32_t item : *side) ++offsets_[item + 1];
    for (int64_t i = 0; i < dataset.items; ++i) offsets_[i + 1] += offsets_[i];
    std::vector<int64_t> free(offsets_.begin(), offsets_.end() - 1);
    for (int64_t p = 0; p < train.size(); ++p) {
      const auto residual = static_cast<float>(train.score[p] - mean_);
      partners_[free[train.left[p]]++] = {train.right[p], residual};
      partners_[free[train.right[p]]++] = {train.left[p], residual};
    }
  }

  /// Goes on from the present biases until no bias moves by more than `tolerance` in a sweep.
  void fit(double lambda, double tolerance) {
    constexpr int kMaxSweeps = 100;
    for (int sweep = 0; sweep < kMaxSweeps; ++sweep)
      if (this->sweep(lambda) <= tolerance) return;
  }

  double rmse_on(const ScoredPairs& pairs) const {
    return rmse(pairs,
                [&](int32_t left, int32_t right) { return mean_ + bias_[left] + bias_[right]; });
  }

 private:
  struct Partner {
    int32_t item;
    float residual;  // score - mean
  };

  /// The largest change of a bias.
  double sweep(double lambda) {
    double largest = 0.0;
    for (size_t i = 0; i < bias_.size(); ++i) {
      double sum = 0.0;
      for (int64_t k = offsets_[i]; k < offsets_[i + 1]; ++k)
        sum += partners_[k].residual - bias_[partners_[k].item];
      const auto count = static_cast<double>(offsets_[i + 1] - offsets_[i]);
      const double updated = sum / (count + lambda);
      largest = std::max(largest, std::abs(updated - bias_[i]));
      bias_[i] = updated;
    }
    return largest;
  }

  double mean_;
  std::vector<int64_t> offsets_;   // (items + 1)
  std::vector<Partner> partners_;  // (offsets_[items])
  std::vector<double> bias_;       // (items)
};

}  // namespace

RelevanceBaselines relevance_baselines(const RelevanceDataset& dataset) {
  const double mean = dataset.mean_score;
  RelevanceBaselines baselines;
  baselines.noise_floor = dataset.noise_floor;
  baselines.mean = rmse(dataset.test, [&](int32_t, int32_t) { return mean; });

  BiasModel model(dataset);
  const double tolerance = 1e-3 * baselines.mean;
  double best = 0.0;
  // From strong to weak, each from where the last one ended.
  for (const double lambda : {30.0, 10.0, 3.0, 1.0, 0.3, 0.1}) {
    model.fit(lambda, tolerance);
    const double validation = model.rmse_on(dataset.valid);
    if (best != 0.0 && validation >= best) break;
    best = validation;
    baselines.bias = model.rmse_on(dataset.test);
    baselines.bias_regulariser = lambda;
  }
  return baselines;
}

}  // namespace mgqe

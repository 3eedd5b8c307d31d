// The item-to-item relevance task: scores of unordered item pairs, to be predicted for held-out
// pairs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// Fewer pairs than this cannot be split into training, validation and test.
constexpr int64_t kMinScoredPairs = 100;

struct ScoredPairs {
  std::vector<int32_t> left, right;  // (P) items; left != right
  std::vector<float> score;          // (P)

  int64_t size() const { return static_cast<int64_t>(score.size()); }
  void add(int32_t left_item, int32_t right_item, float value) {
    left.push_back(left_item);
    right.push_back(right_item);
    score.push_back(value);
  }
};

/// Ids of items are ranks by training frequency, the number of training pairs an item stands in: 0
/// is the most frequent; ties by original id.
struct RelevanceDataset {
  std::string name;     // "steam", "relevance-synthetic", or the path of the file
  int64_t items = 0;    // distinct in the whole file; all of them in a synthetic catalogue
  DataIds item_ids;     // (items)
  std::string reading;  // how the file was understood, in one line; empty: there was none

  // 81%, 9% and 10% of the pairs, in the order of the file.
  ScoredPairs train, valid, test;
  double mean_score = 0.0;  // of training

  /// RMSE on the test pairs of the scores before noise, where they are known (synthetic data).
  std::optional<double> noise_floor;

  /// Hash of the split, the scores and the original ids: equal for equal data, whatever the format.
  uint64_t fingerprint = 0;
};

/// Reads and splits what `config.name` names: "steam" (relevance/steam.tsv.gz in the data folder),
/// "relevance-synthetic", or the path of a file of "item item score" lines. The split depends on
/// the number of pairs and their order alone, so every run on the same data shares it. Data that
/// cannot be used is an InputError that names the file, the line and what would be right.
RelevanceDataset load_relevance(const DataConfig& config, Backend& backend);

/// What a model has to beat, as RMSE on the test pairs, in units of the scores.
struct RelevanceBaselines {
  double mean = 0.0;  // mean: the mean training score for every pair
  double bias = 0.0;  // mean + b_i + b_j: item biases, no interaction
  /// lambda of sum (s - mean - b_i - b_j)^2 + lambda sum b_i^2, the best of a few on validation.
  double bias_regulariser = 0.0;
  std::optional<double> noise_floor;  // synthetic data: what no model can be expected to pass
};

RelevanceBaselines relevance_baselines(const RelevanceDataset& dataset);

}  // namespace mgqe

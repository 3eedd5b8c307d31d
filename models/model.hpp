// Model: a backbone and its embeddings in training. Ranker: a served backbone that ranks.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/embedding.hpp"

namespace mgqe {

/// B training pairs.
struct PairBatch {
  View<const int32_t> users;
  View<const int32_t> items;
  View<const float> labels;  // 1 positive, 0 negative
};

class Model {
 public:
  virtual ~Model() = default;
  /// Forward, backward and update on one batch; adds the batch's summed loss to loss_sum (1).
  virtual void train_step(const PairBatch& batch, View<const StepState> state,
                          View<double> loss_sum) = 0;
  /// The model as it is served.
  virtual PackedModel pack() = 0;
  /// By table name, of the last pack().
  virtual std::map<std::string, std::vector<TierReport>> tier_reports() const = 0;
  /// Every trainable array and its optimizer state.
  virtual void visit(const TensorVisitor& visitor) = 0;
};

class Ranker {
 public:
  virtual ~Ranker() = default;
  /// How positives[m] stands for users[m] (M each) among all items but the excluded ones.
  virtual void rank_all(View<const int32_t> users, View<const int32_t> positives,
                        Histories excluded, RankCounts counts) = 0;
  /// ... among candidates (M, C); -1 stands for none.
  virtual void rank_candidates(View<const int32_t> users, View<const int32_t> positives,
                               View<const int32_t> candidates, RankCounts counts) = 0;
};

/// The backbone that config names, with fresh parameters from config.run.seed.
std::unique_ptr<Model> make_model(Backend& backend, const Config& config, int64_t users,
                                  int64_t items);

/// The ranker of a packed model's backbone.
std::unique_ptr<Ranker> make_ranker(Backend& backend, const PackedModel& model);

OptimizerOptions optimizer_options(const TrainConfig& config);

}  // namespace mgqe

// CtrModel: a label of each row from the vectors of its features, by what a CtrInteraction makes of
// them; binary cross-entropy.
#pragma once

#include "models/features/feature_tables.hpp"
#include "models/layers/ctr_forward.hpp"
#include "models/scorers/ctr_scorer.hpp"

namespace mgqe {

/// A CTR backbone in training.
class CtrInteraction {
 public:
  virtual ~CtrInteraction() = default;
  /// logits (B) from x (B, C d) and dense (B, F).
  virtual void forward(View<const float> x, View<const float> dense, View<float> logits) = 0;
  /// After forward on the same rows: x_gradient (B, C d) from logit_gradient (B); keeps those of
  /// its own weights for step().
  virtual void backward(View<const float> logit_gradient, View<float> x_gradient) = 0;
  virtual void step(View<const StepState> state) = 0;
  virtual void pack(ArrayMap& arrays) const = 0;
  virtual void visit(const TensorVisitor& visitor) = 0;
};

class CtrModel final : public Model {
 public:
  CtrModel(Backend& backend, const Config& config, const Catalogue& catalogue,
           std::unique_ptr<CtrInteraction> interaction);

  void prepare(Backend& on, const Batch& batch) override;
  void train_step(const Batch& batch, View<const StepState> state, View<double> loss_sum) override;
  DevicePackedModel pack() override;
  std::map<std::string, std::vector<TierReport>> tier_reports() const override;
  void visit(const TensorVisitor& visitor) override;

 private:
  Backend& backend_;
  std::string backbone_;
  std::unique_ptr<CtrInteraction> interaction_;
  std::shared_ptr<const FeatureLayout> layout_;
  FeatureTables tables_;
  Tensor<float> logits_, losses_, logit_gradient_;  // (B)
};

/// Batches of 4096 rows, 20 epochs, the best of them by validation after two without a better one.
void set_ctr_defaults(Config& config);
/// What the layers of a run are sized by.
CtrSizes ctr_sizes(const Config& config, const FeatureLayout& layout);
/// Widths that --hidden or --bottom gives: none where it is 0. InputError where one is out of
/// range.
std::vector<int64_t> layer_widths(const std::vector<int>& widths, const char* flag);
/// The groups as a packed model has them; InputError where its tables are not those of the layout.
std::vector<ScoredGroup> scored_groups(const FeatureLayout& layout, const DevicePackedModel& model);
/// Key number n of the dense weights of a run.
uint64_t dense_key(const Config& config, uint64_t n);
/// What a backbone of --task ctr says of itself beside these.
constexpr Backbone ctr_backbone(const char* name, std::array<const char*, 6> options,
                                decltype(Backbone::validate) validate,
                                decltype(Backbone::make_model) make_model,
                                decltype(Backbone::make_ctr_scorer) make_scorer) {
  return {.name = name,
          .batch = BatchKind::kFeatures,
          .options = options,
          .set_defaults = set_ctr_defaults,
          .validate = validate,
          .tables = [](const Config&) { return std::vector<TableSpec>{}; },  // the layout's
          .lookups = [](const Config&, int64_t rows) { return rows; },       // of each feature
          .make_model = make_model,
          .make_ranker = nullptr,
          .make_relevance_model = nullptr,
          .make_pair_scorer = nullptr,
          .ranker_bytes = nullptr,
          .pair_scorer_bytes = nullptr,
          .make_ctr_scorer = make_scorer};
}

}  // namespace mgqe

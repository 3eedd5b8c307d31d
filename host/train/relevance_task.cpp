#include <cmath>

#include <fmt/format.h>

#include "host/train/task.hpp"
#include "models/backbones/relevance_model.hpp"

namespace mgqe {
namespace {

/// A split's pairs in device memory, their true scores on the host.
struct HeldOutPairs {
  Tensor<int32_t> left, right;  // (P)
  Tensor<float> predictions;    // (P)
};

class RelevanceTask final : public Task {
 public:
  RelevanceTask(Backend& backend, RelevanceDataset dataset, const Config& config)
      : Task(backend, config),
        dataset_(std::move(dataset)),
        baselines_(relevance_baselines(dataset_)) {
    for (const Split split : {Split::kValid, Split::kTest}) {
      const ScoredPairs& pairs = pairs_of(split);
      held_out(split) = {Tensor<int32_t>(backend, pairs.left),
                         Tensor<int32_t>(backend, pairs.right),
                         Tensor<float>(backend, pairs.size())};
    }
  }

  Catalogue catalogue() const override {
    return {0, dataset_.items, dataset_.mean_score / kRelevanceScale};
  }
  std::unique_ptr<BatchSource> make_batch_source() const override {
    return make_scored_pair_batches(backend_, dataset_.train, config_);
  }
  Split selection() const override { return Split::kValid; }

  EvaluationResult evaluate(const DevicePackedModel& model, Split split) override {
    const HeldOutPairs& pairs = held_out(split);
    make_pair_scorer(backend_, model)->score(pairs.left, pairs.right, pairs.predictions);
    const std::vector<float> predictions = pairs.predictions.to_host();
    const std::vector<float>& scores = pairs_of(split).score;
    double squared = 0.0;
    for (size_t p = 0; p < scores.size(); ++p) {
      const double error = static_cast<double>(kRelevanceScale) * predictions[p] - scores[p];
      squared += error * error;
    }
    const double rmse = std::sqrt(squared / static_cast<double>(scores.size()));
    return {{{"rmse", rmse}, {"pairs", scores.size()}}, -rmse, {rmse}};
  }

  std::vector<std::string> columns() const override { return {"RMSE"}; }

  std::string summary(const nlohmann::ordered_json& test) const override {
    std::string text = fmt::format(
        "test    RMSE {:.3f} over {} pairs; {:.3f} by item biases alone, "
        "{:.3f} by the mean",
        test["rmse"].get<double>(), test["pairs"].get<int64_t>(), baselines_.bias, baselines_.mean);
    if (baselines_.noise_floor)
      text += fmt::format("; noise floor {:.3f}", *baselines_.noise_floor);
    return text + "\n";
  }

  std::string description() const override {
    return fmt::format("{}: {} items, {} training, {} validation and {} test pairs", dataset_.name,
                       dataset_.items, dataset_.train.size(), dataset_.valid.size(),
                       dataset_.test.size());
  }
  std::string reading() const override { return dataset_.reading; }
  nlohmann::ordered_json data() const override {
    nlohmann::ordered_json json = {{"name", dataset_.name},
                                   {"items", dataset_.items},
                                   {"pairs",
                                    {{"train", dataset_.train.size()},
                                     {"valid", dataset_.valid.size()},
                                     {"test", dataset_.test.size()}}},
                                   {"rmse_of_mean", baselines_.mean},
                                   {"rmse_of_biases", baselines_.bias}};
    if (baselines_.noise_floor) json["rmse_of_noise"] = *baselines_.noise_floor;
    return json;
  }
  std::map<std::string, OriginalIds> ids() const override {
    return {{"item", {dataset_.item_ids.integers, dataset_.item_ids.strings}}};
  }
  uint64_t fingerprint() const override { return dataset_.fingerprint; }

 private:
  const ScoredPairs& pairs_of(Split split) const {
    return split == Split::kValid ? dataset_.valid : dataset_.test;
  }
  HeldOutPairs& held_out(Split split) { return split == Split::kValid ? valid_ : test_; }

  RelevanceDataset dataset_;
  RelevanceBaselines baselines_;
  HeldOutPairs valid_, test_;
};

}  // namespace

std::unique_ptr<Task> make_relevance_task(Backend& backend, RelevanceDataset dataset,
                                          const Config& config) {
  return std::make_unique<RelevanceTask>(backend, std::move(dataset), config);
}

}  // namespace mgqe

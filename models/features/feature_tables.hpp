// FeatureTables: the embeddings of many features in training, a table a group of the layout.
#pragma once

#include "models/backbones/interaction.hpp"

namespace mgqe {

class FeatureTables {
 public:
  /// max_rows: B of this rank. The layout must outlive it.
  FeatureTables(Backend& backend, const Config& config, const FeatureLayout& layout,
                int64_t max_rows);

  /// Sorts each group's ids once, by ops of `on`. examples: B of all ranks together.
  void prepare(Backend& on, std::span<const View<const int32_t>> groups, int64_t examples);
  /// Vectors (B, C d) of the rows last prepared, valid until the next call.
  View<const float> forward(int64_t rows);
  /// Their gradient, to be filled in after forward and before update.
  View<float> gradient() const { return gradient_here_; }
  void update(View<const StepState> state);

  void pack(DevicePackedModel& model);
  void tier_reports(std::map<std::string, std::vector<TierReport>>& reports) const;
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  const FeatureLayout& layout_;
  int64_t dim_;
  std::vector<std::unique_ptr<SideTables>> groups_;
  Tensor<float> vectors_;   // (B, C d)
  Tensor<float> gradient_;  // (B, C d), of several groups
  View<float> gradient_here_;
};

}  // namespace mgqe

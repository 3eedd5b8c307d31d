// FeatureTables: the embeddings of many features in training, a table a group of the layout.
#pragma once

#include "models/features/group_tables.hpp"

namespace mgqe {

class FeatureTables {
 public:
  /// max_rows: B of this rank. The layout must outlive it.
  FeatureTables(Backend& backend, const Config& config, const FeatureLayout& layout,
                int64_t max_rows);

  /// Sorts each group's ids once, by ops of `on`. examples: B of all ranks together. Stays valid
  /// until the rows are trained on.
  void prepare(Backend& on, std::span<const GroupLookups> groups, int64_t examples);
  /// Vectors (B, C d) of the rows last prepared, valid until the next call.
  View<const float> forward(std::span<const GroupLookups> groups, int64_t rows);
  /// Their gradient, to be filled in after forward and before update.
  View<float> gradient() const { return gradient_here_; }
  void update(std::span<const GroupLookups> groups, View<const StepState> state);

  void pack(DevicePackedModel& model);
  void tier_reports(std::map<std::string, std::vector<TierReport>>& reports) const;
  void visit(const TensorVisitor& visitor);

 private:
  /// Whether a row's vectors are the rows of its look-ups.
  bool in_place() const { return layout_.groups.size() == 1 && layout_.groups.front().bags() == 0; }
  int64_t lookups_of_all(int64_t here);

  Backend& backend_;
  const FeatureLayout& layout_;
  int64_t dim_;
  std::vector<std::unique_ptr<GroupTables>> groups_;
  std::vector<Tensor<int32_t>> places_;  // by group, of its features of one id
  Tensor<float> vectors_;                // (B, C d)
  bool mean_;                            // of a bag, not its sum
  Tensor<float> gradient_;               // (B, C d), unless it lies by look-up
  View<float> gradient_here_;
};

}  // namespace mgqe

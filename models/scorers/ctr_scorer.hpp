// CtrTableScorer: rows of many features, scored by packed tables and a backbone's layers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/layers/ctr_forward.hpp"
#include "models/packing/packed_rows.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

/// Features that share a table.
struct ScoredGroup {
  std::string table;
  int64_t features;
};

class CtrTableScorer final : public CtrScorer {
 public:
  static constexpr int64_t kMaxRows = 4096;

  /// The model must outlive it. layers: of up to kMaxRows rows; it loads their weights.
  CtrTableScorer(Backend& backend, const std::vector<ScoredGroup>& groups,
                 const DevicePackedModel& model, std::unique_ptr<CtrForward> layers);

  int64_t max_rows() const override { return kMaxRows; }
  bool together() const override { return together_; }
  void score(std::span<const View<const int32_t>> groups, View<const float> dense,
             View<float> logits) override;

 private:
  Backend& backend_;
  std::unique_ptr<CtrForward> layers_;
  bool together_;
  std::vector<PackedRows> tables_;  // by group
  std::vector<int64_t> columns_;    // that a group has of a row's vectors
  Tensor<float> vectors_;           // (kMaxRows, C d)
  Tensor<float> fetched_;           // (kMaxRows, columns of the widest group), of several groups
};

}  // namespace mgqe

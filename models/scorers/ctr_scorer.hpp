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
  std::vector<int32_t> singles, bags;  // places among a row's vectors; of one id a row, and of any
  int64_t most_lookups;                // of a row
  bool mean;                           // of a bag, not its sum
};

class CtrTableScorer final : public CtrScorer {
 public:
  static constexpr int64_t kMaxRows = 4096;

  /// The model must outlive it. layers: of up to kMaxRows rows; it loads their weights.
  CtrTableScorer(Backend& backend, const std::vector<ScoredGroup>& groups,
                 const DevicePackedModel& model, std::unique_ptr<CtrForward> layers);

  int64_t max_rows() const override { return kMaxRows; }
  bool together() const override { return together_; }
  void score(std::span<const GroupLookups> groups, View<const float> dense,
             View<float> logits) override;

 private:
  /// Whether rows are fetched to where a row's vectors lie.
  bool in_place() const { return groups_.size() == 1 && groups_.front().bags.empty(); }

  Backend& backend_;
  std::unique_ptr<CtrForward> layers_;
  bool together_;
  std::vector<ScoredGroup> groups_;
  std::vector<PackedRows> tables_;       // by group
  std::vector<Tensor<int32_t>> places_;  // by group, of its singles
  Tensor<float> vectors_;                // (kMaxRows, C d)
  Tensor<float> fetched_;  // (look-ups of the group that has most, d), unless they are the vectors
};

}  // namespace mgqe

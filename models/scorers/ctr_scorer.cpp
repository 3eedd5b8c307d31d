#include "models/scorers/ctr_scorer.hpp"

#include <algorithm>

#include "models/scorers/served_model.hpp"

namespace mgqe {

CtrTableScorer::CtrTableScorer(Backend& backend, const std::vector<ScoredGroup>& groups,
                               const DevicePackedModel& model, std::unique_ptr<CtrForward> layers)
    : backend_(backend), layers_(std::move(layers)), together_(any_sharded(model)) {
  layers_->load(model.dense);
  int64_t all = 0, widest = 0;
  for (const auto& [name, features] : groups) {
    const DevicePackedTable& table = packed_table(model, name);
    tables_.emplace_back(backend, table, PackedRows::Room{.ids = kMaxRows * features});
    columns_.push_back(features * table.form.dim);
    all += columns_.back();
    widest = std::max(widest, columns_.back());
  }
  vectors_ = Tensor<float>(backend, kMaxRows, all);
  if (tables_.size() > 1) fetched_ = Tensor<float>(backend, kMaxRows, widest);
}

void CtrTableScorer::score(std::span<const View<const int32_t>> groups, View<const float> dense,
                           View<float> logits) {
  const int64_t rows = logits.rows;
  const View<float> vectors = vectors_.view().slice(0, rows);
  int64_t first = 0;
  for (size_t g = 0; g < tables_.size(); ++g) {
    float* const out = tables_.size() == 1 ? vectors.data : fetched_.data();
    tables_[g].fetch(groups[g], View<float>(out, groups[g].size(), tables_[g].dim()));
    if (tables_.size() > 1)
      backend_.put_columns(View<float>(out, rows, columns_[g]), first, vectors);
    first += columns_[g];
  }
  layers_->forward(vectors, dense, logits);
}

}  // namespace mgqe

#include "models/scorers/ctr_scorer.hpp"

#include <algorithm>

#include "models/scorers/served_model.hpp"

namespace mgqe {

CtrTableScorer::CtrTableScorer(Backend& backend, const std::vector<ScoredGroup>& groups,
                               const DevicePackedModel& model, std::unique_ptr<CtrForward> layers)
    : backend_(backend),
      layers_(std::move(layers)),
      together_(any_sharded(model)),
      groups_(groups) {
  layers_->load(model.dense);
  int64_t columns = 0, most = 0;
  for (const ScoredGroup& group : groups) {
    const DevicePackedTable& table = packed_table(model, group.table);
    const int64_t lookups = kMaxRows * group.most_lookups;
    tables_.emplace_back(backend, table, PackedRows::Room{.ids = lookups});
    places_.emplace_back(backend, std::span<const int32_t>(group.singles));
    columns += static_cast<int64_t>(group.singles.size() + group.bags.size()) * table.form.dim;
    most = std::max(most, lookups * table.form.dim);
  }
  vectors_ = Tensor<float>(backend, kMaxRows, columns);
  if (!in_place()) fetched_ = Tensor<float>(backend, most);
}

void CtrTableScorer::score(std::span<const GroupLookups> groups, View<const float> dense,
                           View<float> logits) {
  const int64_t rows = logits.rows;
  const View<float> vectors = vectors_.view().slice(0, rows);
  for (size_t g = 0; g < tables_.size(); ++g) {
    const GroupLookups& lookups = groups[g];
    const int64_t dim = tables_[g].dim();
    const View<float> fetched(in_place() ? vectors.data : fetched_.data(), lookups.rows.size(),
                              dim);
    tables_[g].fetch(lookups.rows, fetched);
    if (in_place()) break;
    backend_.gather_features({fetched, {}}, places_[g], vectors);
    for (size_t j = 0; j < lookups.bag_ends.size(); ++j)
      backend_.pool_bags({fetched, {}}, lookups.bag_ends[j], groups_[g].mean,
                         groups_[g].bags[j] * dim, vectors);
  }
  layers_->forward(vectors, dense, logits);
}

}  // namespace mgqe

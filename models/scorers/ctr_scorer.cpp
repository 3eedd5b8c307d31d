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
    columns += (group.singles + group.bags) * table.form.dim;
    most = std::max(most, lookups * table.form.dim);
  }
  vectors_ = Tensor<float>(backend, kMaxRows, columns);
  if (!in_place()) fetched_ = Tensor<float>(backend, most);
}

void CtrTableScorer::score(std::span<const GroupLookups> groups, View<const float> dense,
                           View<float> logits) {
  const int64_t rows = logits.rows;
  const View<float> vectors = vectors_.view().slice(0, rows);
  int64_t first = 0;
  for (size_t g = 0; g < tables_.size(); ++g) {
    const GroupLookups& lookups = groups[g];
    const int64_t dim = tables_[g].dim(), singles = groups_[g].singles * dim;
    const View<float> fetched(in_place() ? vectors.data : fetched_.data(), lookups.rows.size(),
                              dim);
    tables_[g].fetch(lookups.rows, fetched);
    if (!in_place() && singles > 0)
      backend_.put_columns(View<float>(fetched.data, rows, singles), first, vectors);
    first += singles;
    for (const View<const int32_t> ends : lookups.bag_ends) {
      backend_.pool_bags({fetched, {}}, ends, groups_[g].mean, first, vectors);
      first += dim;
    }
  }
  layers_->forward(vectors, dense, logits);
}

}  // namespace mgqe

#include "models/features/feature_tables.hpp"

#include <numeric>

namespace mgqe {

FeatureTables::FeatureTables(Backend& backend, const Config& config, const FeatureLayout& layout,
                             int64_t max_rows)
    : backend_(backend),
      layout_(layout),
      dim_(config.embedding.dim),
      vectors_(backend, max_rows, layout.features * dim_),
      mean_(config.embedding.bag_pooling == BagPooling::kMean) {
  for (const FeatureGroup& group : layout.groups) {
    groups_.push_back(std::make_unique<GroupTables>(backend, config, table_group(config, group),
                                                    max_rows * group.most_lookups()));
    places_.emplace_back(backend, std::span<const int32_t>(group.single_features()));
  }
  if (!in_place()) gradient_ = Tensor<float>(backend, max_rows, vectors_.cols());
}

void FeatureTables::prepare(Backend& on, std::span<const GroupLookups> groups, int64_t examples) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const FeatureGroup& group = layout_.groups[g];
    const View<const int32_t> rows = groups[g].rows;
    groups_[g]->prepare(
        on, rows, group.bags() > 0 ? lookups_of_all(rows.size()) : examples * group.singles());
  }
}

/// How many values bags have, no rank knows of the others.
int64_t FeatureTables::lookups_of_all(int64_t here) {
  Communicator& ranks = backend_.communicator();
  const std::vector<int64_t> mine(static_cast<size_t>(ranks.size()), here);
  std::vector<int64_t> theirs(mine.size());
  ranks.exchange(Traffic::kControl, mine, theirs);
  return std::accumulate(theirs.begin(), theirs.end(), int64_t{0});
}

View<const float> FeatureTables::forward(std::span<const GroupLookups> groups, int64_t rows) {
  const View<float> vectors = vectors_.view().slice(0, rows);
  for (const auto& group : groups_) group->send_rows();
  for (size_t g = 0; g < groups_.size(); ++g) {
    const FeatureGroup& group = layout_.groups[g];
    const Lookup looked_up = groups_[g]->forward()[0];
    if (in_place()) {
      backend_.gather(looked_up.rows, looked_up.index,
                      View<float>(vectors.data, rows * layout_.features, dim_));
      break;
    }
    backend_.gather_features({looked_up.rows, looked_up.index.slice(0, rows * group.singles())},
                             places_[g], vectors);
    for (int64_t j = 0; j < group.bags(); ++j)
      backend_.pool_bags(looked_up, groups[g].bag_ends[static_cast<size_t>(j)], mean_,
                         group.place(group.singles() + j) * dim_, vectors);
  }
  gradient_here_ = in_place() ? View<float>(groups_[0]->gradients()[0].data, rows, vectors.cols)
                              : gradient_.view().slice(0, rows);
  return vectors;
}

void FeatureTables::update(std::span<const GroupLookups> groups, View<const StepState> state) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    const FeatureGroup& group = layout_.groups[g];
    const View<float> by_lookup = groups_[g]->gradients()[0];
    if (!in_place())
      backend_.part_features(
          gradient_here_, places_[g],
          View<float>(by_lookup.data, gradient_here_.rows, group.singles() * dim_));
    for (int64_t j = 0; j < group.bags(); ++j)
      backend_.spread_bags(gradient_here_, group.place(group.singles() + j) * dim_,
                           groups[g].bag_ends[static_cast<size_t>(j)], mean_, by_lookup);
    groups_[g]->send_gradients(groups_[g]->all());
  }
  for (const auto& group : groups_) group->update(group->all(), state);
}

void FeatureTables::pack(DevicePackedModel& model) {
  for (const auto& group : groups_) group->pack(model);
}

void FeatureTables::tier_reports(std::map<std::string, std::vector<TierReport>>& reports) const {
  for (const auto& group : groups_) group->tier_reports(reports);
}

void FeatureTables::visit(const TensorVisitor& visitor) {
  for (const auto& group : groups_) group->visit(visitor);
}

}  // namespace mgqe

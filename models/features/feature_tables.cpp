#include "models/features/feature_tables.hpp"

namespace mgqe {
namespace {

/// Numbers that a name stands for (FNV-1a), so that a table starts alike whatever others there are.
uint64_t number_of(const std::string& name) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return hash;
}

EmbeddingSpec spec_of(const Config& config, const FeatureGroup& group, int64_t max_rows) {
  EmbeddingSpec spec = embedding_spec(config, group.table(), group.rows(), max_rows * group.count(),
                                      RandomStream::kFeatureTable, RandomStream::kFeatureCodebook);
  spec.config = group.embedding();
  spec.table_key = random_u64(spec.table_key, number_of(group.table()));
  spec.codebook_key = random_u64(spec.codebook_key, number_of(group.table()));
  return spec;
}

}  // namespace

FeatureTables::FeatureTables(Backend& backend, const Config& config, const FeatureLayout& layout,
                             int64_t max_rows)
    : backend_(backend),
      layout_(layout),
      dim_(config.embedding.dim),
      vectors_(backend, max_rows, layout.features * dim_) {
  for (const FeatureGroup& group : layout.groups) {
    std::vector<EmbeddingSpec> specs;
    specs.push_back(spec_of(config, group, max_rows));
    groups_.push_back(std::make_unique<SideTables>(backend, config, std::move(specs)));
  }
  if (groups_.size() > 1) gradient_ = Tensor<float>(backend, max_rows, vectors_.cols());
}

void FeatureTables::prepare(Backend& on, std::span<const View<const int32_t>> groups,
                            int64_t examples) {
  for (size_t g = 0; g < groups_.size(); ++g)
    groups_[g]->prepare(on, groups[g], examples * layout_.groups[g].count());
}

View<const float> FeatureTables::forward(int64_t rows) {
  const View<float> vectors = vectors_.view().slice(0, rows);
  for (const auto& group : groups_) group->send_rows();
  int64_t first = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Side looked_up = groups_[g]->forward();
    if (groups_.size() == 1)
      backend_.gather(looked_up[0].rows, looked_up[0].index,
                      View<float>(vectors.data, rows * layout_.features, dim_));
    else
      backend_.gather_features(looked_up[0], first, vectors);
    first += layout_.groups[g].count();
  }
  gradient_here_ = groups_.size() == 1
                       ? View<float>(groups_[0]->gradients()[0].data, rows, vectors.cols)
                       : gradient_.view().slice(0, rows);
  return vectors;
}

void FeatureTables::update(View<const StepState> state) {
  int64_t first = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const int64_t columns = layout_.groups[g].count() * dim_;
    if (groups_.size() > 1)
      backend_.take_columns(
          gradient_here_, first,
          View<float>(groups_[g]->gradients()[0].data, gradient_here_.rows, columns));
    groups_[g]->send_gradients(groups_[g]->all());
    first += columns;
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

#include "host/train/uploaded_rows.hpp"

#include <algorithm>

namespace mgqe {

UploadedRows::UploadedRows(Backend& backend, const FeatureLayout& layout, int64_t max_rows)
    : layout_(layout), labels_(backend, max_rows) {
  for (const FeatureGroup& group : layout.groups)
    groups_.emplace_back(backend, max_rows * group.count());
  if (layout.dense > 0) dense_ = Tensor<float>(backend, max_rows, layout.dense);
  here_.resize(groups_.size());
}

template <class T>
void UploadedRows::copy(Backend& on, const std::vector<T>& host, Tensor<T>& device, int64_t count) {
  if (count > 0) on.upload(device.data(), host.data(), static_cast<size_t>(count) * sizeof(T));
}

FeatureBatch UploadedRows::upload(Backend& on, const CtrBatch& rows) {
  const auto count = static_cast<size_t>(rows.rows);
  for (size_t g = 0; g < groups_.size(); ++g) {
    const FeatureGroup& group = layout_.groups[g];
    const auto features = static_cast<size_t>(group.count());
    numbers_.resize(count * features);
    for (size_t k = 0; k < features; ++k) {
      const int32_t* const ids = rows.ids.data() + static_cast<size_t>(group.features()[k]) * count;
      for (size_t b = 0; b < count; ++b)
        numbers_[b * features + k] = group.row(static_cast<int64_t>(k), ids[b]);
    }
    copy(on, numbers_, groups_[g], static_cast<int64_t>(numbers_.size()));
    here_[g] = groups_[g].view().slice(0, static_cast<int64_t>(numbers_.size()));
  }
  copy(on, rows.dense, dense_, rows.rows * layout_.dense);
  copy(on, rows.labels, labels_, rows.rows);
  return {here_, layout_.dense > 0 ? dense_.view().slice(0, rows.rows) : View<float>(),
          labels_.view().slice(0, rows.rows)};
}

}  // namespace mgqe

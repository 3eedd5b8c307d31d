#include "host/train/uploaded_rows.hpp"

#include <algorithm>

namespace mgqe {

UploadedRows::UploadedRows(Backend& backend, const FeatureLayout& layout, int64_t max_rows)
    : layout_(layout), labels_(backend, max_rows) {
  for (const FeatureGroup& group : layout.groups) {
    groups_.emplace_back(backend, max_rows * group.most_lookups());
    std::vector<Tensor<int32_t>>& ends = ends_.emplace_back();
    for (int64_t bag = 0; bag < group.bags(); ++bag) ends.emplace_back(backend, max_rows + 1);
  }
  if (layout.dense > 0) dense_ = Tensor<float>(backend, max_rows, layout.dense);
  here_.resize(groups_.size());
}

template <class T>
void UploadedRows::copy(Backend& on, const std::vector<T>& host, Tensor<T>& device, int64_t count) {
  if (count > 0) on.upload(device.data(), host.data(), static_cast<size_t>(count) * sizeof(T));
}

void UploadedRows::add_bag(const FeatureGroup& group, int64_t k, const CtrBatch::Bag& bag,
                           int64_t rows) {
  bag_ends_.assign(1, static_cast<int32_t>(numbers_.size()));
  for (int64_t b = 0; b < rows; ++b) {
    const int32_t begin = bag.offsets[static_cast<size_t>(b)];
    const int32_t end =
        std::min(bag.offsets[static_cast<size_t>(b) + 1], begin + group.embedding().bag_length);
    for (int32_t v = begin; v < end; ++v)
      numbers_.push_back(group.row(k, bag.ids[static_cast<size_t>(v)]));
    bag_ends_.push_back(static_cast<int32_t>(numbers_.size()));
  }
}

FeatureBatch UploadedRows::upload(Backend& on, const CtrBatch& rows) {
  const auto count = static_cast<size_t>(rows.rows);
  const size_t fields = static_cast<size_t>(layout_.features) - rows.bags.size();
  for (size_t g = 0; g < groups_.size(); ++g) {
    const FeatureGroup& group = layout_.groups[g];
    const auto singles = static_cast<size_t>(group.singles());
    numbers_.resize(count * singles);
    for (size_t k = 0; k < singles; ++k) {
      const int32_t* const ids = rows.ids.data() + static_cast<size_t>(group.features()[k]) * count;
      for (size_t b = 0; b < count; ++b)
        numbers_[b * singles + k] = group.row(static_cast<int64_t>(k), ids[b]);
    }
    here_[g].bag_ends.clear();
    for (int64_t j = 0; j < group.bags(); ++j) {
      const int64_t k = group.singles() + j;
      const auto bag = static_cast<size_t>(group.features()[static_cast<size_t>(k)]) - fields;
      add_bag(group, k, rows.bags[bag], rows.rows);
      Tensor<int32_t>& ends = ends_[g][static_cast<size_t>(j)];
      copy(on, bag_ends_, ends, rows.rows + 1);
      here_[g].bag_ends.push_back(ends.view().slice(0, rows.rows + 1));
    }
    copy(on, numbers_, groups_[g], static_cast<int64_t>(numbers_.size()));
    here_[g].rows = groups_[g].view().slice(0, static_cast<int64_t>(numbers_.size()));
  }
  copy(on, rows.dense, dense_, rows.rows * layout_.dense);
  copy(on, rows.labels, labels_, rows.rows);
  return {here_, layout_.dense > 0 ? dense_.view().slice(0, rows.rows) : View<float>(),
          labels_.view().slice(0, rows.rows)};
}

}  // namespace mgqe

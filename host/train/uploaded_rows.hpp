// UploadedRows: labelled rows on a device, their ids as rows of the layout's tables.
#pragma once

#include <vector>

#include "host/data/ctr/ctr_rows.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

class UploadedRows {
 public:
  UploadedRows(Backend& backend, const FeatureLayout& layout, int64_t max_rows);

  /// By `on`, the back end or a second stream of it; valid until the next call.
  FeatureBatch upload(Backend& on, const CtrBatch& rows);

 private:
  template <class T>
  static void copy(Backend& on, const std::vector<T>& host, Tensor<T>& device, int64_t count);

  /// Ids of one bag as rows of the group's table, behind numbers_; where each row's end.
  void add_bag(const FeatureGroup& group, int64_t k, const CtrBatch::Bag& bag, int64_t rows);

  const FeatureLayout& layout_;
  std::vector<Tensor<int32_t>> groups_;             // (max_rows most_lookups())
  std::vector<std::vector<Tensor<int32_t>>> ends_;  // by group and bag, (max_rows + 1)
  Tensor<float> dense_, labels_;                    // (max_rows, F), (max_rows)
  std::vector<GroupLookups> here_;
  std::vector<int32_t> numbers_, bag_ends_;
};

}  // namespace mgqe

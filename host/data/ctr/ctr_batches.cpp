#include "host/data/ctr/ctr_batches.hpp"

#include <algorithm>

#include "host/base/check.hpp"

namespace mgqe {

CtrBatches::CtrBatches(const CtrRows& rows, const CtrBatchOptions& options)
    : rows_(rows), options_(options) {
  MGQE_CHECK(options.batch > 0 && options.rank >= 0 && options.rank < options.ranks, "rank ",
             options.rank, " of ", options.ranks, ", batch ", options.batch);
}

int64_t CtrBatches::steps_per_epoch() const {
  return (rows_.rows(CtrSplit::kTrain) + options_.batch - 1) / options_.batch;
}

void CtrBatches::begin_epoch(int64_t epoch, int64_t step) {
  order_ = EpochOrder(
      {rows_.rows(CtrSplit::kTrain), rows_.block_rows(), options_.window_rows, options_.batch},
      options_.seed, epoch);
  place_ = std::min(step * options_.batch, order_.rows());
  announced_ = order_.window_of(place_);
}

std::pair<int64_t, int64_t> CtrBatches::share_of(int64_t examples) const {
  return {examples * options_.rank / options_.ranks,
          examples * (options_.rank + 1) / options_.ranks};
}

void CtrBatches::announce(int64_t window) {
  const auto [first, last] = share_of(options_.batch);
  for (; announced_ <= std::min(window, order_.windows() - 1); ++announced_)
    for (const int64_t block : order_.blocks(announced_, first, last))
      rows_.will_need(CtrSplit::kTrain, block * rows_.block_rows(), rows_.block_rows());
}

bool CtrBatches::next(CtrBatch& batch) {
  examples_ = std::min(options_.batch, order_.rows() - place_);
  if (examples_ == 0) return false;
  announce(order_.window_of(place_) + 1);
  const auto [first, last] = share_of(examples_);
  numbers_.resize(static_cast<size_t>(last - first));
  for (int64_t k = first; k < last; ++k)
    numbers_[static_cast<size_t>(k - first)] = order_.row(place_ + k);
  rows_.gather(CtrSplit::kTrain, numbers_, batch);
  place_ += examples_;
  return true;
}

}  // namespace mgqe

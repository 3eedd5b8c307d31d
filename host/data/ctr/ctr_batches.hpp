// CtrBatches: the training batches of an epoch, this rank's share of each.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "host/data/ctr/ctr_rows.hpp"
#include "host/data/ctr/epoch_order.hpp"

namespace mgqe {

struct CtrBatchOptions {
  static constexpr int64_t kWindowRows = int64_t{1} << 20;

  int64_t batch = 4096;  // rows a step, of all ranks together; the last step has what is left
  uint64_t seed = 1;
  int rank = 0, ranks = 1;
  int64_t window_rows = kWindowRows;  // rows that are shuffled among themselves
};

/// Rank r of R has rows [n r / R, n (r + 1) / R) of a batch of n, and reads those alone. Batches
/// are the same whatever R is. Of data of more than a window, a rank reads its share of each window
/// (EpochOrder) and what lies at the window's ends; smaller data, all of it.
class CtrBatches {
 public:
  CtrBatches(const CtrRows& rows, const CtrBatchOptions& options);

  int64_t steps_per_epoch() const;
  /// From step `step` of the epoch on: where a run was stopped.
  void begin_epoch(int64_t epoch, int64_t step = 0);
  /// This rank's rows of the next step, which may be none; false at the end of the epoch.
  bool next(CtrBatch& batch);
  /// Of all ranks, in the step that next() gave.
  int64_t examples() const { return examples_; }

 private:
  /// First place and the one behind the last of a batch that this rank has.
  std::pair<int64_t, int64_t> share_of(int64_t examples) const;
  void announce(int64_t window);

  const CtrRows& rows_;
  CtrBatchOptions options_;
  EpochOrder order_;
  int64_t place_ = 0, examples_ = 0;
  int64_t announced_ = 0;  // windows that the system knows will be read
  std::vector<int64_t> numbers_;
};

}  // namespace mgqe

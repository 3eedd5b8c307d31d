// Scanner: one thread's share of a search. It goes over tiles of codes for a group of queries, so
// that codes are unpacked once for all of them, and keeps a list for each.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "host/serve/scan/deficit.hpp"
#include "host/serve/scan/exact_scores.hpp"
#include "host/serve/scan/kernels.hpp"
#include "host/serve/scan/tier_planes.hpp"
#include "host/serve/scan/top_k_heap.hpp"

namespace mgqe {

/// A group of queries, as the threads of a call share it.
struct SearchGroup {
  const PackedTiers& table;
  const PreparedTiers* prepared;  // or null
  const TopKOptions& options;
  int64_t first_query;        // number in the call of the group's first
  View<const float> queries;  // (M, d), of the group
  const ScanKernels& kernels;
  const std::vector<CentroidGroups>& groups;     // (tiers)
  std::vector<Deficits> deficits;                // (tiers, M)
  std::unique_ptr<std::atomic<float>[]> floors;  // (M): scores that k rows are known to reach

  const Deficits& deficit(int tier, int64_t m) const {
    return deficits[static_cast<size_t>(tier * queries.rows + m)];
  }
  bool admits(int64_t m, int32_t row) const { return options.admits(first_query + m, row); }
};

class Scanner {
 public:
  explicit Scanner(SearchGroup& group);

  /// Tiles [first, last) of a tier, which begin with a block.
  void scan(int tier, int64_t first, int64_t last);
  /// A tier without codes, whose rows all have one score.
  void scan_constant(int tier);
  /// Rows, ascending, one by one.
  void scan_rows(std::span<const int32_t> rows);

  TopKHeap& heap(int64_t m) { return heaps_[static_cast<size_t>(m)]; }
  const TopKStatistics& statistics() const { return statistics_; }

 private:
  struct QueryTables {
    uint8_t* fine = nullptr;    // (D, entries)
    uint8_t* coarse = nullptr;  // (D, 64), where the tier has groups
    bool active = false;        // whether the tier reaches the threshold
    float threshold = 0.0f;     // that `gap` is of
    double gap = -1.0;
    double quantized_gap = -1.0;  // that the tables are of; below zero: none yet
  };

  QueryTables& tables(int64_t m) { return of_query_[static_cast<size_t>(m)]; }
  void enter(int tier);
  void make_tables();
  bool refresh(int64_t m);
  int choose_split() const;
  void scan_step(int count, int split, int64_t active);
  int sum_codes(int64_t m, int count, int split, int shares);
  int sum_groups(int64_t m, int count);
  void prefetch_shares(int64_t shares, int64_t of);
  void consider_tile(int64_t m, int t, uint64_t lanes);
  void consider(int64_t m, const uint8_t* codes, int32_t row);
  void score_pending(int64_t m);

  SearchGroup& group_;
  std::vector<TopKHeap> heaps_;
  TopKStatistics statistics_;

  int tier_ = -1;
  int subspaces_ = 0, entries_ = 0;  // of the tier
  std::optional<TierPlanes> planes_;
  std::shared_ptr<uint8_t[]> table_bytes_;
  std::vector<QueryTables> of_query_;
  bool tables_changed_ = false;  // of queries that choose_split() asks
  int64_t prefetched_ = 0;       // shares of the next step
  std::unique_ptr<TileHits> hits_;

  int pending_ = 0;  // rows that are admitted, and to be scored
  int32_t pending_rows_[kScoredTogether];
  std::vector<uint8_t> pending_codes_;  // (kScoredTogether, D)
  std::vector<uint8_t> lane_codes_;     // (D)
};

}  // namespace mgqe

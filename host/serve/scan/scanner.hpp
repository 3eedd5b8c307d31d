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
    uint8_t* tables = nullptr;  // (D, entries)
    float threshold = 0.0f;     // that `gap` is of
    double gap = -1.0;
    double quantized_gap = -1.0;  // that the tables are of; below zero: none yet
  };

  void enter(int tier);
  bool refresh(int64_t m);
  int choose_split() const;
  void scan_tiles(int64_t m, int count, int split);
  void consider_tile(int64_t m, int t, uint64_t lanes);
  void consider(int64_t m, const uint8_t* codes, int32_t row);
  void score_pending(int64_t m);

  SearchGroup& group_;
  std::vector<TopKHeap> heaps_;
  TopKStatistics statistics_;

  int tier_ = -1;
  std::optional<TierPlanes> planes_;
  std::shared_ptr<uint8_t[]> tables_;
  std::vector<QueryTables> of_query_;
  std::vector<uint8_t> active_;  // queries whose threshold the tier can reach
  bool tables_changed_ = false;  // of queries that choose_split() asks
  std::unique_ptr<TileHits> hits_;

  int pending_ = 0;  // rows that are admitted, and to be scored
  int32_t pending_rows_[kScoredTogether];
  std::vector<uint8_t> pending_codes_;  // (kScoredTogether, D)
};

}  // namespace mgqe

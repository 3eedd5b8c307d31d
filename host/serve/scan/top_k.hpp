// Exact top-k of a coded table, straight from its packed codes.
//
//   score(row) = ranking_score(query, decoded row): one fma chain in the order of dimensions
//   order        score descending, then row ascending
//
// A table in stages, rotated or not, is here one of S D subspaces and S d dimensions, and a query
// as CodeSpace::query_of makes it (host/packed/code_space.hpp): the chain is then of S d terms,
// stage after stage.
//
// An excluded row never enters, nor does it set the threshold for others. Neither does a score that
// is no number, nor a row of a damaged file that has a code beyond its K. A list may be shorter
// than k, and says so. Results have the same bits for every instruction level, number of threads
// and of queries, prepared or not; the list of a smaller k is a prefix of that of a larger one.
//
// deficit.hpp says how rows are ruled out by their codes alone, kernels.hpp how that is computed.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "host/base/tensor.hpp"
#include "host/packed/packed_tiers.hpp"

namespace mgqe {

inline constexpr int64_t kMaxTopK = 10'000;

/// A set of rows: sorted ascending without repeats, or a bitmap (bit r % 8 of byte r / 8, a byte
/// for every 8 rows). Neither, both pointers null: no filter. A sorted list of none is a filter
/// where its pointer is not null.
struct RowFilter {
  std::span<const int32_t> sorted{};
  std::span<const uint8_t> bitmap{};

  bool given() const { return sorted.data() != nullptr || bitmap.data() != nullptr; }
  bool contains(int32_t row) const;
  /// Rows in it.
  int64_t size() const;
  /// They themselves, ascending.
  std::vector<int32_t> list() const;
};

/// For tests and benches. kBest is the best this processor runs; another that it does not run is
/// the next lower one.
enum class ScanLevel { kBest, kScalar, kAvx2, kAvx512 };

struct TopKOptions {
  int64_t k = 10;                           // 1 to kMaxTopK
  int threads = 1;                          // of this call alone; none outlives it
  RowFilter allow{}, block{};               // for every query
  std::span<const RowFilter> block_each{};  // none, or one a query
  ScanLevel level = ScanLevel::kBest;

  /// Whether the row may be in query m's list.
  bool admits(int64_t m, int32_t row) const;
  /// The allowed rows, ascending, where they are so few of a table of `rows` that a search had
  /// better go through them than through the table; the filters must have been checked.
  std::optional<std::vector<int32_t>> few_allowed(int64_t rows) const;
};

/// The caller's buffers: line m has counts[m] results; what is left of it is -1 and -infinity.
struct TopKResult {
  View<int32_t> rows;         // (M, k)
  View<float> scores;         // (M, k)
  std::span<int64_t> counts;  // (M)
};

/// What a call did, summed over queries and threads.
struct TopKStatistics {
  int64_t tiles = 0;        // looked at, of 64 rows each
  int64_t early_exits = 0;  // of these, ruled out before all of their subspaces were summed
  int64_t bounded = 0;      // rows that the eight-bit bound left
  int64_t rescored = 0;     // rows that the bound in floats left, too: decoded and scored
};

struct CodebookTables;

/// Codes rearranged once as the scan likes them best, in the memory of the packed codes, and what
/// is made of codebooks. The table must outlive it. Copies share the memory.
class PreparedTiers {
 public:
  explicit PreparedTiers(const PackedTiers& table, int threads = 1);

  const PackedTiers& table() const { return table_; }
  int64_t bytes() const { return bytes_; }
  /// Planes of a tier (tile_layout.hpp); null where it has no rows or no codes.
  const uint8_t* planes(int tier) const { return planes_[tier].get(); }
  const std::shared_ptr<const CodebookTables>& codebooks() const { return codebooks_; }

 private:
  PackedTiers table_;
  std::shared_ptr<const uint8_t[]> planes_[kMaxTiers];
  std::shared_ptr<const CodebookTables> codebooks_;
  int64_t bytes_ = 0;
};

/// queries (M, d). InputError where a query is not finite or has another d, k or a filter cannot
/// be.
void top_k(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics = nullptr);
void top_k(const PreparedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics = nullptr);

/// What they refuse, for whoever ranks a table of so many rows by other means.
void check_top_k(int64_t rows, View<const float> queries, const TopKOptions& options,
                 TopKResult result);

/// Scores (M, n) of rows [first, first + n) by queries (M, d). NaN where a row of a damaged file
/// has a code beyond its K. InputError on rows that are none and queries that are not finite.
void scores(const PackedTiers& table, View<const float> queries, int64_t first, View<float> out);
/// The same of the rows asked for, by one query (1, d); out (n).
void scores_of(const PackedTiers& table, View<const float> query, std::span<const int64_t> rows,
               std::span<float> out);

}  // namespace mgqe

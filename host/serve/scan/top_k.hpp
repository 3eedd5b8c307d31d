// Exact top-k of a coded table, straight from its packed codes.
//
//   score(row) = ranking_score(query, decoded row): one fma chain in the order of dimensions
//   order        score descending, then row ascending
//
// An excluded row never enters, nor does it set the bar for others; a score that is no number, or a
// row with a code beyond its K, never enters. A list may be shorter than k and says so. Results are
// the same to the bit for every processor, number of threads or queries, prepared or not, and the
// lists of a smaller k are prefixes of those of a larger.
//
// How: deficit.hpp says which rows cannot enter by what their codes alone tell in eight bits; a
// tile of 64 rows takes a shuffle and an addition a subspace (tile_scan.hpp). What is left is
// bounded again in doubles, and then decoded and scored.
#pragma once

#include <memory>
#include <span>

#include "host/base/tensor.hpp"
#include "host/packed/packed_tiers.hpp"

namespace mgqe {

inline constexpr int64_t kMaxTopK = 10'000;

/// A set of rows: sorted ascending without repeats, or a bitmap (bit r % 8 of byte r / 8, a byte for
/// every 8 rows). Neither (null): no filter; a list of none is one.
struct RowFilter {
  std::span<const int32_t> sorted{};
  std::span<const uint8_t> bitmap{};

  bool given() const { return sorted.data() != nullptr || bitmap.data() != nullptr; }
  bool contains(int32_t row) const;
  /// Rows in it.
  int64_t size() const;
};

/// Instruction levels, for tests and benches; each gives the same results.
enum class ScanLevel { kBest, kScalar, kAvx2, kAvx512 };

struct TopKOptions {
  int64_t k = 10;                           // 1 to kMaxTopK
  int threads = 1;                          // of this call alone
  RowFilter allow{}, block{};               // for every query
  std::span<const RowFilter> block_each{};  // none, or one a query
  ScanLevel level = ScanLevel::kBest;       // one the processor lacks falls back to scalar

  bool admits(int64_t query, int32_t row) const;
};

/// The caller's buffers: line m has counts[m] results; the others are -1 and -infinity.
struct TopKResult {
  View<int32_t> rows;         // (M, k)
  View<float> scores;         // (M, k)
  std::span<int64_t> counts;  // (M)
};

/// What a call did, summed over queries.
struct TopKStatistics {
  int64_t scanned = 0;   // rows whose codes were looked at
  int64_t bounded = 0;   // of these, left by the bound in eight bits
  int64_t rescored = 0;  // left by the bound in doubles, or scored to begin with
};

/// Codes unpacked once, as they are scanned fastest: about the memory of the packed codes again. The
/// table must outlive it.
class PreparedTiers {
 public:
  explicit PreparedTiers(const PackedTiers& table, int threads = 1);
  PreparedTiers(PreparedTiers&&) noexcept;
  PreparedTiers& operator=(PreparedTiers&&) noexcept;
  ~PreparedTiers();

  const PackedTiers& table() const { return table_; }
  int64_t bytes() const;
  /// Planes of a tier (tile_scan.hpp); null where a tier has no codes.
  const uint8_t* planes(int tier) const;

 private:
  struct Buffers;

  PackedTiers table_;
  std::unique_ptr<Buffers> buffers_;
};

/// queries (M, d). InputError on a query that is not finite, a k or a filter that cannot be.
void top_k(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics = nullptr);
void top_k(const PreparedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics = nullptr);

/// What both refuse, for a table of so many rows.
void check_top_k(int64_t rows, View<const float> queries, const TopKOptions& options,
                 TopKResult result);

}  // namespace mgqe

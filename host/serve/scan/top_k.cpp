#include "host/serve/scan/top_k.hpp"

#include <cstdlib>
#include <mutex>
#include <new>

#include "host/serve/pieces.hpp"
#include "host/serve/scan/best.hpp"
#include "host/serve/scan/deficit.hpp"
#include "host/serve/scan/exact_scores.hpp"
#include "host/serve/scan/tile_scan.hpp"

namespace mgqe {
namespace {

constexpr int64_t kSeedRows = 2048;        // scored to begin with: popular rows set a high bar
constexpr int64_t kGroup = 64;             // queries that share the tiles they are scanned in
constexpr int64_t kBlockBytes = 16 << 10;  // of planes: they stay in the first cache
constexpr int64_t kGrain = 1 << 15;        // rows that are worth a thread
constexpr int64_t kFewAllowed = 16;  // an allow list of less than 1/16 of the rows is gone through

struct Free {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};
using AlignedBytes = std::unique_ptr<uint8_t, Free>;

AlignedBytes aligned_bytes(int64_t size) {
  const size_t rounded = (static_cast<size_t>(size) + 63) / 64 * 64;
  auto* bytes = static_cast<uint8_t*>(std::aligned_alloc(64, rounded > 0 ? rounded : 64));
  if (bytes == nullptr) throw std::bad_alloc();
  return AlignedBytes(bytes);
}

TileSource source_of(const PackedTiers& table, int tier) {
  const CodedTier& coded = table.tiers[tier];
  return {coded.codes, table.ranges.rows(tier), coded.row_bytes(), coded.bits, coded.subspaces};
}

int64_t block_tiles(int subspaces) {
  return std::max<int64_t>(1, kBlockBytes / plane_bytes(subspaces));
}

int64_t rows_of(const PackedTiers& table) { return table.ranges.end[table.ranges.count - 1]; }

/// What the threads of a call share.
struct Call {
  const PackedTiers& table;
  const PreparedTiers* prepared;  // or null
  const TopKOptions& options;
  int64_t first_query;        // of the group, in block_each
  View<const float> queries;  // of the group
  const TileScan& tiles;
  int64_t seeds = 0;  // rows [0, seeds) have been scored
};

/// One thread's lists of a group, and its scratch memory.
class Searcher {
 public:
  explicit Searcher(const Call& call)
      : call_(call),
        exact_(call.table),
        best_(static_cast<size_t>(call.queries.rows), Best(call.options.k)) {}

  std::vector<Best>& best() { return best_; }
  const std::vector<Best>& best() const { return best_; }
  const TopKStatistics& statistics() const { return statistics_; }

  /// Scores rows begin, begin + 1, ... < end of every query, until all lists are full; the first row
  /// that was not.
  int64_t seed(int64_t begin, int64_t end, int64_t at_least) {
    for (int64_t first = begin; first < end;) {
      const int64_t last = std::min(first + ExactScores::kRows, end);
      pending_.clear();
      for (int64_t row = first; row < last; ++row)
        if (exact_.known(static_cast<int32_t>(row))) pending_.push_back(static_cast<int32_t>(row));
      score_pending_of_all();
      first = last;
      if (first - begin < at_least) continue;
      bool full = true;
      for (Best& best : best_) {
        best.cut();
        full &= best.full();
      }
      if (full) return first;
    }
    return end;
  }

  /// Every row of a list.
  template <class NextRow>
  void score_rows(const NextRow& next_row) {
    pending_.clear();
    for (int64_t row = next_row(); row >= 0; row = next_row()) {
      if (exact_.known(static_cast<int32_t>(row))) pending_.push_back(static_cast<int32_t>(row));
      if (static_cast<int64_t>(pending_.size()) == ExactScores::kRows) score_pending_of_all();
    }
    score_pending_of_all();
  }

  /// Rows [first row, ...) of some blocks of a tier.
  void scan(int tier, std::vector<Deficits> deficits, int64_t first_block, int64_t last_block) {
    const TileSource source = source_of(call_.table, tier);
    const int64_t block = block_tiles(source.subspaces);
    if (planes_ == nullptr || planes_size_ < block * plane_bytes(source.subspaces)) {
      planes_size_ = block * plane_bytes(source.subspaces);
      planes_ = aligned_bytes(planes_size_);
    }
    lanes_.resize(static_cast<size_t>(block * kTileRows));
    const int64_t begin = call_.table.ranges.begin(tier);
    for (int64_t b = first_block; b < last_block; ++b) {
      const int64_t first = b * block, tiles = std::min(block, source.tiles() - first);
      const Planes planes = planes_of(tier, source, first, tiles);
      for (int64_t m = 0; m < call_.queries.rows; ++m)
        scan_block(m, source, deficits[static_cast<size_t>(m)], planes, tiles,
                   begin + first * kTileRows, begin + source.rows);
    }
  }

  /// All rows from `first` on, of queries for which the bound is no good.
  void score_all_of(int64_t m, int64_t first, int64_t last) {
    pending_.clear();
    for (int64_t row = first; row < last; ++row) {
      const auto id = static_cast<int32_t>(row);
      if (exact_.known(id) && admits(m, id)) pending_.push_back(id);
      if (static_cast<int64_t>(pending_.size()) == ExactScores::kRows) score_pending_of(m);
    }
    score_pending_of(m);
  }

  /// A tier of one centroid: all rows have one score, and the first ones win.
  void score_constant(int tier, int64_t first) {
    const int64_t end = call_.table.ranges.end[tier];
    for (int64_t m = 0; m < call_.queries.rows; ++m) {
      int64_t offered = 0;
      for (int64_t row = first; row < end && offered < call_.options.k; ++row) {
        if (!admits(m, static_cast<int32_t>(row))) continue;
        if (offered++ == 0) {
          const auto id = static_cast<int32_t>(row);
          exact_.read({&id, 1});
          exact_.score(call_.queries.row(m), scores_);
          ++statistics_.rescored;
        }
        best_[static_cast<size_t>(m)].offer(scores_[0], static_cast<int32_t>(row));
      }
      best_[static_cast<size_t>(m)].tidy();
    }
  }

 private:
  struct Planes {
    const uint8_t* data;
    bool dense;
  };

  bool admits(int64_t m, int32_t row) const {
    return call_.options.admits(call_.first_query + m, row);
  }

  Planes planes_of(int tier, const TileSource& source, int64_t first, int64_t tiles) {
    if (call_.prepared == nullptr) {
      call_.tiles.unpack(source, first, tiles, planes_.get());
      return {planes_.get(), false};
    }
    const uint8_t* all = call_.prepared->planes(tier);
    if (!has_dense_planes(source.bits, source.subspaces))
      return {all + first * plane_bytes(source.subspaces), false};
    const uint8_t* dense = all + first * dense_plane_bytes(source.subspaces);
    if (call_.queries.rows <= 2) return {dense, true};
    make_planes(dense, source.subspaces, tiles, planes_.get());
    return {planes_.get(), false};
  }

  /// Tiles whose first row is `first`; rows from `end` on are none.
  void scan_block(int64_t m, const TileSource& source, Deficits& deficits, Planes planes,
                  int64_t tiles, int64_t first, int64_t end) {
    Best& best = best_[static_cast<size_t>(m)];
    if (!deficits.quantize(best.bar())) return;
    const int64_t count = planes.dense
                              ? call_.tiles.scan_dense(planes.data, source.subspaces,
                                                       deficits.tables(), tiles, lanes_.data())
                              : call_.tiles.scan(planes.data, source.subspaces, source.bits,
                                                 deficits.tables(), tiles, lanes_.data());
    statistics_.scanned += tiles * kTileRows;
    statistics_.bounded += count;
    const int64_t tier_begin = end - source.rows;
    pending_.clear();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = first + lanes_[static_cast<size_t>(i)];
      if (row >= end || row < call_.seeds) continue;
      const uint8_t* packed = source.codes + (row - tier_begin) * source.row_bytes;
      if (!deficits.may_reach(packed, best.bar()) || !admits(m, static_cast<int32_t>(row)))
        continue;
      pending_.push_back(static_cast<int32_t>(row));
      if (static_cast<int64_t>(pending_.size()) == kBatch) score_pending_of(m);
    }
    score_pending_of(m);
  }

  /// Scores what is pending and is admitted already.
  void score_pending_of(int64_t m) {
    if (pending_.empty()) return;
    Best& best = best_[static_cast<size_t>(m)];
    exact_.read(pending_);
    exact_.score(call_.queries.row(m), scores_);
    for (size_t i = 0; i < pending_.size(); ++i) best.offer(scores_[i], pending_[i]);
    statistics_.rescored += static_cast<int64_t>(pending_.size());
    best.tidy();
    pending_.clear();
  }

  void score_pending_of_all() {
    if (pending_.empty()) return;
    exact_.read(pending_);
    for (int64_t m = 0; m < call_.queries.rows; ++m) {
      exact_.score(call_.queries.row(m), scores_);
      for (size_t i = 0; i < pending_.size(); ++i)
        if (admits(m, pending_[i])) best_[static_cast<size_t>(m)].offer(scores_[i], pending_[i]);
    }
    statistics_.rescored += static_cast<int64_t>(pending_.size()) * call_.queries.rows;
    pending_.clear();
  }

  static constexpr int64_t kBatch =
      32;  // candidates scored at a time, before the bar has moved far

  const Call& call_;
  ExactScores exact_;
  std::vector<Best> best_;
  AlignedBytes planes_;
  int64_t planes_size_ = 0;
  std::vector<int32_t> lanes_, pending_;
  float scores_[ExactScores::kRows];
  TopKStatistics statistics_;
};

void add(const TopKStatistics& from, TopKStatistics& to) {
  to.scanned += from.scanned;
  to.bounded += from.bounded;
  to.rescored += from.rescored;
}

/// A tier from row `from` on, by the threads of the call, into the lists of `main`.
void scan_tier(const Call& call, int tier, Searcher& main, TopKStatistics& statistics) {
  const int64_t begin = call.table.ranges.begin(tier), end = call.table.ranges.end[tier];
  const int64_t from = std::max(begin, call.seeds);
  if (from >= end) return;
  if (call.table.tiers[tier].bits == 0) return main.score_constant(tier, from);
  std::vector<Deficits> deficits;
  bool hopeless = false;
  for (int64_t m = 0; m < call.queries.rows; ++m) {
    deficits.emplace_back(call.table, tier, call.queries.row(m));
    hopeless |= deficits.back().hopeless();
  }
  if (hopeless) {
    for (int64_t m = 0; m < call.queries.rows; ++m) main.score_all_of(m, from, end);
    return;
  }
  const TileSource source = source_of(call.table, tier);
  const int64_t block_rows = block_tiles(source.subspaces) * kTileRows;
  const int64_t first = (from - begin) / block_rows,
                blocks = (source.rows + block_rows - 1) / block_rows;
  std::vector<float> bars;
  for (const Best& best : main.best()) bars.push_back(best.bar());
  std::mutex mutex;
  std::vector<Searcher> others;
  in_pieces(blocks - first, std::max<int64_t>(1, kGrain / block_rows), call.options.threads,
            [&](int64_t b, int64_t e) {
              if (b == 0) return main.scan(tier, deficits, first + b, first + e);
              Searcher other(call);
              for (size_t m = 0; m < bars.size(); ++m) other.best()[m].raise_bar(bars[m]);
              other.scan(tier, deficits, first + b, first + e);
              const std::lock_guard lock(mutex);
              others.push_back(std::move(other));
            });
  for (const Searcher& other : others) {
    for (size_t m = 0; m < bars.size(); ++m) main.best()[m].join(other.best()[m]);
    add(other.statistics(), statistics);
  }
}

/// Whether an allow list is so short that its rows are scored, and nothing is scanned.
bool goes_through_allowed(const TopKOptions& options, int64_t rows) {
  return options.allow.given() && options.allow.size() <= rows / kFewAllowed;
}

void score_allowed(const RowFilter& allow, int64_t rows, Searcher& main) {
  int64_t next = 0;
  if (allow.bitmap.data() != nullptr) {
    main.score_rows([&] {
      while (next < rows && !allow.contains(static_cast<int32_t>(next))) ++next;
      return next < rows ? next++ : -1;
    });
    return;
  }
  main.score_rows([&]() -> int64_t {
    return next < allow.size() ? allow.sorted[static_cast<size_t>(next++)] : -1;
  });
}

void search(const PackedTiers& table, const PreparedTiers* prepared, View<const float> queries,
            const TopKOptions& options, TopKResult result, TopKStatistics* statistics) {
  check_packed_tiers(table, queries.cols);
  const int64_t rows = rows_of(table);
  check_top_k(rows, queries, options, result);
  TopKStatistics sum;
  for (int64_t first = 0; first < queries.rows; first += kGroup) {
    Call call{table,
              prepared,
              options,
              first,
              queries.slice(first, std::min(kGroup, queries.rows - first)),
              tile_scan(options.level)};
    Searcher main(call);
    if (goes_through_allowed(options, rows)) {
      score_allowed(options.allow, rows, main);
    } else {
      call.seeds = main.seed(0, rows, std::min(rows, std::max(kSeedRows, options.k)));
      for (int t = 0; t < table.ranges.count; ++t) scan_tier(call, t, main, sum);
    }
    for (int64_t m = 0; m < call.queries.rows; ++m)
      main.best()[static_cast<size_t>(m)].write(result.rows.row(first + m),
                                                result.scores.row(first + m),
                                                &result.counts[static_cast<size_t>(first + m)]);
    add(main.statistics(), sum);
  }
  if (statistics != nullptr) *statistics = sum;
}

}  // namespace

struct PreparedTiers::Buffers {
  AlignedBytes of[kMaxTiers];
  int64_t bytes = 0;
};

PreparedTiers::PreparedTiers(const PackedTiers& table, int threads)
    : table_(table), buffers_(std::make_unique<Buffers>()) {
  const TileScan& scan = tile_scan(ScanLevel::kBest);
  for (int t = 0; t < table.ranges.count; ++t) {
    const TileSource source = source_of(table, t);
    if (source.bits == 0 || source.rows == 0) continue;
    const bool dense = has_dense_planes(source.bits, source.subspaces);
    const int64_t plane = plane_bytes(source.subspaces);
    const int64_t kept = dense ? dense_plane_bytes(source.subspaces) : plane;
    buffers_->of[t] = aligned_bytes(source.tiles() * kept);
    buffers_->bytes += source.tiles() * kept;
    uint8_t* to = buffers_->of[t].get();
    const int64_t block = block_tiles(source.subspaces);
    in_pieces(source.tiles(), kGrain / kTileRows, threads, [&](int64_t begin, int64_t end) {
      const AlignedBytes planes = aligned_bytes(dense ? block * plane : 0);
      for (int64_t first = begin; first < end; first += block) {
        const int64_t tiles = std::min(block, end - first);
        scan.unpack(source, first, tiles, dense ? planes.get() : to + first * plane);
        if (dense) make_dense(planes.get(), source.subspaces, tiles, to + first * kept);
      }
    });
  }
}
PreparedTiers::PreparedTiers(PreparedTiers&&) noexcept = default;
PreparedTiers& PreparedTiers::operator=(PreparedTiers&&) noexcept = default;
PreparedTiers::~PreparedTiers() = default;

int64_t PreparedTiers::bytes() const { return buffers_->bytes; }
const uint8_t* PreparedTiers::planes(int tier) const { return buffers_->of[tier].get(); }

void top_k(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  search(table, nullptr, queries, options, result, statistics);
}

void top_k(const PreparedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  search(table.table(), &table, queries, options, result, statistics);
}

}  // namespace mgqe

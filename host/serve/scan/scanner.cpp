#include "host/serve/scan/scanner.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "host/serve/scan/aligned_bytes.hpp"

namespace mgqe {
namespace {

constexpr double kShrunk = 0.8;        // of the gap that tables are of: new ones pay
constexpr int64_t kAskedForSplit = 4;  // queries, the group's first
constexpr double kRequeue = 2.0;       // subspaces' worth of work in taking up a tile again
constexpr int64_t kChunk = 256;        // rows that are read for all queries at a time
constexpr int64_t kLeastShares = 8;    // in which a step is prefetched

/// Adds to costs[s] what a tile costs, in subspaces, if the first s are summed for all tiles and
/// the others where a lane is left; taking codes as even over the table and sums as normal.
void add_split_costs(const uint8_t* tables, int entries, int subspaces,
                     std::vector<double>& costs) {
  double mean = 0.0, variance = 0.0;
  for (int s = 1; s <= subspaces; ++s, tables += entries) {
    double sum = 0.0, squares = 0.0;
    for (int c = 0; c < entries; ++c) {
      sum += tables[c];
      squares += static_cast<double>(tables[c]) * tables[c];
    }
    mean += sum / entries;
    variance += squares / entries - sum / entries * (sum / entries);
    const double deviation = std::sqrt(std::max(variance, 1e-9));
    const double lane = 0.5 * std::erfc((mean - 254.5) / deviation * std::sqrt(0.5));
    const double tile = 1.0 - std::pow(1.0 - lane, kTileRows);
    costs[static_cast<size_t>(s)] += s + (s < subspaces ? tile * (subspaces - s + kRequeue) : 0.0);
  }
}

}  // namespace

Scanner::Scanner(SearchGroup& group)
    : group_(group),
      heaps_(static_cast<size_t>(group.queries.rows), TopKHeap(group.options.k)),
      of_query_(static_cast<size_t>(group.queries.rows)),
      hits_(std::make_unique<TileHits>()) {}

void Scanner::enter(int tier) {
  if (tier_ == tier) return;
  tier_ = tier;
  subspaces_ = group_.table.tiers[tier].subspaces;
  entries_ = table_entries(group_.table.tiers[tier].bits);
  pending_codes_.resize(static_cast<size_t>(kScoredTogether) * static_cast<size_t>(subspaces_));
  lane_codes_.resize(static_cast<size_t>(subspaces_));
  for (QueryTables& query : of_query_) query = {};
  planes_.reset();
}

void Scanner::make_tables() {
  const CentroidGroups& groups = group_.groups[static_cast<size_t>(tier_)];
  planes_.emplace(group_.table, tier_,
                  group_.prepared != nullptr ? group_.prepared->planes(tier_) : nullptr,
                  group_.kernels, groups);
  const int64_t fine = int64_t{subspaces_} * entries_;
  const int64_t bytes = fine + (groups.given() ? subspaces_ * CentroidGroups::kGroups : 0);
  table_bytes_ = aligned_bytes(bytes * group_.queries.rows);
  for (int64_t m = 0; m < group_.queries.rows; ++m) {
    tables(m).fine = table_bytes_.get() + m * bytes;
    tables(m).coarse = tables(m).fine + fine;
  }
}

void Scanner::scan(int tier, int64_t first, int64_t last) {
  enter(tier);
  if (!planes_) make_tables();
  const bool grouped = group_.groups[static_cast<size_t>(tier)].given();
  int split = grouped ? subspaces_ : 0;
  for (int64_t t = first; t < last; t += planes_->step()) {
    int64_t active = 0;
    for (int64_t m = 0; m < group_.queries.rows; ++m) active += tables(m).active = refresh(m);
    if (active == 0) return;  // nor will they be further on
    if (!grouped && (tables_changed_ || split == 0)) split = choose_split();
    tables_changed_ = false;
    const int count = static_cast<int>(std::min<int64_t>(planes_->step(), last - t));
    planes_->go_to(t, count, split);
    scan_step(count, split, active);
  }
}

/// Brings tables up to the threshold; false where no row of the tier reaches it.
bool Scanner::refresh(int64_t m) {
  QueryTables& query = tables(m);
  TopKHeap& heap = heaps_[static_cast<size_t>(m)];
  heap.raise_threshold(group_.floors[static_cast<size_t>(m)].load(std::memory_order_relaxed));
  if (query.quantized_gap < 0.0 || heap.threshold() != query.threshold) {
    query.threshold = heap.threshold();
    query.gap = group_.deficit(tier_, m).gap(query.threshold);
  }
  if (query.gap < 0.0) return false;
  if (query.fine != nullptr &&
      (query.quantized_gap < 0.0 || query.gap < kShrunk * query.quantized_gap)) {
    group_.deficit(tier_, m).quantize(query.gap, group_.groups[static_cast<size_t>(tier_)],
                                      query.fine, query.coarse);
    query.quantized_gap = query.gap;
    tables_changed_ |= m < kAskedForSplit;
  }
  return true;
}

/// How many subspaces are summed before a tile may be given up.
int Scanner::choose_split() const {
  std::vector<double> costs(static_cast<size_t>(subspaces_) + 1);
  for (int64_t m = 0; m < std::min(group_.queries.rows, kAskedForSplit); ++m) {
    const QueryTables& query = of_query_[static_cast<size_t>(m)];
    if (query.active) add_split_costs(query.fine, entries_, subspaces_, costs);
  }
  return static_cast<int>(std::min_element(costs.begin() + 1, costs.end()) - costs.begin());
}

/// The tiles that planes_ has gone to, for all queries.
void Scanner::scan_step(int count, int split, int64_t active) {
  const bool grouped = group_.groups[static_cast<size_t>(tier_)].given();
  prefetched_ = 0;
  for (int64_t m = 0; m < group_.queries.rows; ++m) {
    if (!tables(m).active) continue;
    const int shares = static_cast<int>(kLeastShares / active);
    if (grouped || shares <= 1) prefetch_shares(1, active);
    const int left = grouped ? sum_groups(m, count) : sum_codes(m, count, split, shares);
    for (int i = 0; i < left; ++i) consider_tile(m, hits_->tile[i], hits_->lanes[i]);
    score_pending(m);
  }
}

/// Shares of what the next step will read, so that memory is busy while tiles are summed.
void Scanner::prefetch_shares(int64_t shares, int64_t of) {
  const int64_t step = planes_->step(), end = std::min(prefetched_ + shares, of);
  planes_->prefetch_next(static_cast<int>(step * prefetched_ / of),
                         static_cast<int>(step * end / of));
  prefetched_ = end;
}

/// shares: of a step's tiles, in turn with as many of the next that are prefetched.
int Scanner::sum_codes(int64_t m, int count, int split, int shares) {
  const uint8_t* fine = tables(m).fine;
  TileHits& hits = *hits_;
  const CodeTables first{planes_->codes(), fine, split, entries_};
  int left = 0;
  if (shares <= 1) left = group_.kernels.sum(first, 0, count, 0, hits);
  for (int share = 0; shares > 1 && share < shares; ++share) {
    prefetch_shares(1, kLeastShares);
    left =
        group_.kernels.sum(first, count * share / shares, count * (share + 1) / shares, left, hits);
  }
  statistics_.tiles += count;
  if (split == subspaces_) return left;
  statistics_.early_exits += count - left;
  for (int i = 0; i < left; ++i) planes_->prefetch(hits.tile[i]);
  for (int i = 0; i < left; ++i) planes_->complete(hits.tile[i]);
  return group_.kernels.add(
      {planes_->codes() + split, fine + int64_t{split} * entries_, subspaces_ - split, entries_},
      left, hits);
}

/// By the bounds of groups, and what they leave by deficits.
int Scanner::sum_groups(int64_t m, int count) {
  constexpr int kGroups = CentroidGroups::kGroups;
  TileHits& hits = *hits_;
  const int left = group_.kernels.sum({planes_->codes(), tables(m).coarse, subspaces_, kGroups}, 0,
                                      count, 0, hits);
  statistics_.tiles += count;
  statistics_.early_exits += count - left;
  if (left == 0) return 0;
  std::memset(hits.sums, 0, static_cast<size_t>(left) * static_cast<size_t>(kTileRows));
  return group_.kernels.add({planes_->codes(), tables(m).fine, subspaces_, entries_}, left, hits);
}

void Scanner::consider_tile(int64_t m, int t, uint64_t lanes) {
  const int64_t begin = group_.table.ranges.begin(tier_);
  uint8_t* const codes = lane_codes_.data();
  for (lanes &= planes_->valid_lanes(t); lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    planes_->read_codes(t, lane, codes);
    ++statistics_.bounded;
    consider(m, codes, static_cast<int32_t>(begin + planes_->row(t, lane)));
  }
}

/// A row by its codes, each below K.
void Scanner::consider(int64_t m, const uint8_t* codes, int32_t row) {
  const Deficits& deficits = group_.deficit(tier_, m);
  if (!deficits.unbounded() && deficits.sum(codes) > tables(m).gap) return;
  if (!group_.admits(m, row)) return;
  std::copy_n(codes, subspaces_, pending_codes_.begin() + int64_t{pending_} * subspaces_);
  pending_rows_[pending_++] = row;
  if (pending_ == kScoredTogether) score_pending(m);
}

void Scanner::score_pending(int64_t m) {
  if (pending_ == 0) return;
  float scores[kScoredTogether];
  score_codes(group_.table, tier_, group_.queries.row(m), pending_codes_.data(), pending_, scores);
  TopKHeap& heap = heaps_[static_cast<size_t>(m)];
  for (int i = 0; i < pending_; ++i) heap.offer(scores[i], pending_rows_[i]);
  statistics_.rescored += pending_;
  pending_ = 0;
  QueryTables& query = tables(m);
  if (heap.threshold() <= query.threshold) return;
  query.threshold = heap.threshold();
  query.gap = group_.deficit(tier_, m).gap(query.threshold);
  std::atomic<float>& floor = group_.floors[static_cast<size_t>(m)];
  float known = floor.load(std::memory_order_relaxed);
  while (known < query.threshold &&
         !floor.compare_exchange_weak(known, query.threshold, std::memory_order_relaxed)) {
  }
}

void Scanner::scan_constant(int tier) {
  enter(tier);
  const Tiers& ranges = group_.table.ranges;
  const std::vector<uint8_t> codes(static_cast<size_t>(subspaces_));
  for (int64_t m = 0; m < group_.queries.rows; ++m) {
    if (!refresh(m)) continue;
    float score = 0.0f;
    score_codes(group_.table, tier, group_.queries.row(m), codes.data(), 1, &score);
    ++statistics_.rescored;
    int64_t offered = 0;  // of rows with one score the first k are the best
    for (int64_t row = ranges.begin(tier); row < ranges.end[tier]; ++row) {
      if (offered == group_.options.k) break;
      if (!group_.admits(m, static_cast<int32_t>(row))) continue;
      heaps_[static_cast<size_t>(m)].offer(score, static_cast<int32_t>(row));
      ++offered;
    }
  }
}

void Scanner::scan_rows(std::span<const int32_t> rows) {
  const Tiers& ranges = group_.table.ranges;
  std::vector<uint8_t> codes;
  std::vector<int32_t> known;
  for (size_t first = 0, last; first < rows.size(); first = last) {
    const int tier = ranges.tier_of(rows[first]);
    enter(tier);
    const auto subspaces = static_cast<size_t>(subspaces_);
    codes.resize(kChunk * subspaces);
    known.clear();
    for (last = first; last < std::min<size_t>(rows.size(), first + kChunk); ++last) {
      if (rows[last] >= ranges.end[tier]) break;
      if (read_codes(group_.table, tier, rows[last], codes.data() + known.size() * subspaces))
        known.push_back(rows[last]);
    }
    for (int64_t m = 0; m < group_.queries.rows; ++m) {
      if (!refresh(m)) continue;
      for (size_t i = 0; i < known.size(); ++i) consider(m, codes.data() + i * subspaces, known[i]);
      score_pending(m);
    }
  }
}

}  // namespace mgqe

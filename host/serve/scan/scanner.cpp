#include "host/serve/scan/scanner.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "host/serve/scan/aligned_bytes.hpp"

namespace mgqe {
namespace {

constexpr double kShrunk = 0.8;    // of the gap that tables are of: new ones pay
constexpr int kAskedForSplit = 4;  // queries
constexpr int64_t kChunk = 256;    // rows that are read for all queries at a time
constexpr double kRequeue = 2.0;   // subspaces' worth of work in taking up a tile again

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
      active_(static_cast<size_t>(group.queries.rows)),
      hits_(std::make_unique<TileHits>()) {}

void Scanner::enter(int tier) {
  if (tier_ == tier) return;
  tier_ = tier;
  const CodedTier& coded = group_.table.tiers[tier];
  pending_codes_.resize(static_cast<size_t>(kScoredTogether * coded.subspaces));
  for (QueryTables& query : of_query_) query = {};
  planes_.reset();
}

void Scanner::scan(int tier, int64_t first, int64_t last) {
  const int64_t queries = group_.queries.rows;
  if (tier_ != tier || !planes_) {
    enter(tier);
    const CodedTier& coded = group_.table.tiers[tier];
    planes_.emplace(group_.table, tier,
                    group_.prepared != nullptr ? group_.prepared->planes(tier) : nullptr,
                    group_.kernels);
    const int64_t bytes = int64_t{coded.subspaces} * table_entries(coded.bits);
    tables_ = aligned_bytes(bytes * queries);
    for (int64_t m = 0; m < queries; ++m)
      of_query_[static_cast<size_t>(m)].tables = tables_.get() + m * bytes;
  }
  int split = 0;
  for (int64_t t = first; t < last; t += planes_->step()) {
    bool any = false;
    for (int64_t m = 0; m < queries; ++m) any |= active_[static_cast<size_t>(m)] = refresh(m);
    if (!any) return;  // nor will they be further on
    if (tables_changed_ || split == 0) split = choose_split();
    tables_changed_ = false;
    const int count = static_cast<int>(std::min<int64_t>(planes_->step(), last - t));
    planes_->go_to(t, count, split);
    for (int64_t m = 0; m < queries; ++m)
      if (active_[static_cast<size_t>(m)]) scan_tiles(m, count, split);
  }
}

/// Brings tables up to the threshold; false where no row of the tier reaches it.
bool Scanner::refresh(int64_t m) {
  QueryTables& query = of_query_[static_cast<size_t>(m)];
  TopKHeap& heap = heaps_[static_cast<size_t>(m)];
  heap.raise_threshold(group_.floors[static_cast<size_t>(m)].load(std::memory_order_relaxed));
  if (query.quantized_gap < 0.0 || heap.threshold() != query.threshold) {
    query.threshold = heap.threshold();
    query.gap = group_.deficit(tier_, m).gap(query.threshold);
  }
  if (query.gap < 0.0) return false;
  if (query.tables != nullptr &&
      (query.quantized_gap < 0.0 || query.gap < kShrunk * query.quantized_gap)) {
    group_.deficit(tier_, m).quantize(query.gap, query.tables);
    query.quantized_gap = query.gap;
    tables_changed_ |= m < kAskedForSplit;
  }
  return true;
}

/// How many subspaces are summed before a tile may be given up.
int Scanner::choose_split() const {
  const CodedTier& coded = group_.table.tiers[tier_];
  std::vector<double> costs(static_cast<size_t>(coded.subspaces) + 1);
  const auto asked = std::min<size_t>(of_query_.size(), kAskedForSplit);
  for (size_t m = 0; m < asked; ++m)
    if (active_[m])
      add_split_costs(of_query_[m].tables, table_entries(coded.bits), coded.subspaces, costs);
  return static_cast<int>(std::min_element(costs.begin() + 1, costs.end()) - costs.begin());
}

void Scanner::scan_tiles(int64_t m, int count, int split) {
  const CodedTier& coded = group_.table.tiers[tier_];
  const int entries = table_entries(coded.bits);
  const uint8_t* tables = of_query_[static_cast<size_t>(m)].tables;
  TileHits& hits = *hits_;
  int left = group_.kernels.sum({planes_->codes(), tables, split, entries}, count, hits);
  statistics_.tiles += count;
  if (left == 0) {
    statistics_.early_exits += split < coded.subspaces ? count : 0;
    return;
  }
  if (split < coded.subspaces) {
    statistics_.early_exits += count - left;
    for (int i = 0; i < left; ++i) planes_->prefetch(hits.tile[i]);
    for (int i = 0; i < left; ++i) planes_->complete(hits.tile[i]);
    left = group_.kernels.add(
        {planes_->codes() + split, tables + split * entries, coded.subspaces - split, entries},
        left, hits);
  }
  for (int i = 0; i < left; ++i) consider_tile(m, hits.tile[i], hits.lanes[i]);
  score_pending(m);
}

void Scanner::consider_tile(int64_t m, int t, uint64_t lanes) {
  const int64_t begin = group_.table.ranges.begin(tier_);
  uint8_t codes[kMaxDim];
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
  if (!deficits.unbounded() && deficits.sum(codes) > of_query_[static_cast<size_t>(m)].gap) return;
  if (!group_.admits(m, row)) return;
  const int subspaces = group_.table.tiers[tier_].subspaces;
  std::copy_n(codes, subspaces, pending_codes_.begin() + int64_t{pending_} * subspaces);
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
  QueryTables& query = of_query_[static_cast<size_t>(m)];
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
  const std::vector<uint8_t> codes(static_cast<size_t>(group_.table.tiers[tier].subspaces));
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
  for (size_t first = 0, last; first < rows.size(); first = last) {
    const int tier = ranges.tier_of(rows[first]);
    enter(tier);
    const size_t subspaces = static_cast<size_t>(group_.table.tiers[tier].subspaces);
    codes.resize(kChunk * subspaces);
    std::vector<int32_t> known;
    for (last = first; last < std::min(rows.size(), first + kChunk); ++last) {
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

// A search: queries in groups, thresholds to begin with, then pieces of rows on the call's threads.
#include "host/serve/scan/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host/serve/scan/scanner.hpp"
#include "host/serve/scan/threads.hpp"

namespace mgqe {
namespace {

constexpr int64_t kMaxGroup = 256;                // queries that share a pass over the codes
constexpr int64_t kGroupBytes = 8 << 20;          // of their deficits
constexpr int64_t kPieceTiles = 8 * kBlockTiles;  // that a thread claims: 32k rows
constexpr int64_t kSampleRows = 1024;             // that set the first thresholds, at least

int64_t rows_of(const PackedTiers& table) { return table.ranges.end[table.ranges.count - 1]; }

int64_t group_size(const PackedTiers& table) {
  int64_t bytes = 1;
  for (int t = 0; t < table.ranges.count; ++t)
    bytes += int64_t{table.tiers[t].subspaces} * table.ranges.centroids[t] * 4;
  return std::clamp<int64_t>(kGroupBytes / bytes, 16, kMaxGroup);
}

/// Queries from which on it pays to rename codes of a tile by groups.
constexpr int64_t kGroupedQueries = 8;
constexpr float kNone = -std::numeric_limits<float>::infinity();

// ---- the first thresholds -----------------------------------------------------------------------

/// The first rows of the table that the call's own filters let in, with their codes; where few are
/// allowed, of those.
struct Sample {
  std::vector<int32_t> rows;
  std::vector<uint8_t> codes;  // of a row max_subspaces
  std::vector<int> tier_end;   // in rows
  int64_t max_subspaces = 1;

  Sample(const PackedTiers& table, const TopKOptions& options,
         const std::optional<std::vector<int32_t>>& few) {
    const int64_t wanted = std::max(kSampleRows, 2 * options.k);
    for (int t = 0; t < table.ranges.count; ++t)
      max_subspaces = std::max<int64_t>(max_subspaces, table.tiers[t].subspaces);
    const TopKOptions shared{options.k, 1, options.allow, options.block, {}, options.level};
    const int64_t looked_at =
        std::min(few ? static_cast<int64_t>(few->size()) : rows_of(table), 16 * wanted);
    int64_t place = 0;
    for (int t = 0; t < table.ranges.count; ++t) {
      for (; place < looked_at; ++place) {
        const int64_t row = few ? (*few)[static_cast<size_t>(place)] : place;
        if (row >= table.ranges.end[t] || static_cast<int64_t>(rows.size()) == wanted) break;
        if (!shared.admits(0, static_cast<int32_t>(row))) continue;
        codes.resize((rows.size() + 1) * static_cast<size_t>(max_subspaces));
        if (read_codes(table, t, row, codes.data() + codes.size() - max_subspaces))
          rows.push_back(static_cast<int32_t>(row));
      }
      tier_end.push_back(static_cast<int>(rows.size()));
    }
  }

  /// A score that k rows of query m reach; -infinity where there are not so many.
  float floor(const SearchGroup& group, int64_t m, std::vector<float>& least) const {
    const auto k = static_cast<size_t>(group.options.k);
    if (rows.size() < k) return kNone;
    least.resize(rows.size());
    size_t i = 0;
    for (size_t t = 0; t < tier_end.size(); ++t) {
      const Deficits& deficits = group.deficit(static_cast<int>(t), m);
      if (deficits.unbounded()) return kNone;
      for (; i < static_cast<size_t>(tier_end[t]); ++i)
        least[i] = static_cast<float>(deficits.least_score(
            deficits.sum(codes.data() + i * static_cast<size_t>(max_subspaces))));
    }
    if (!group.options.block_each.empty())
      leave_out(group.options.block_each[static_cast<size_t>(group.first_query + m)], least);
    std::nth_element(least.begin(), least.begin() + static_cast<int64_t>(k) - 1, least.end(),
                     std::greater<float>());
    return std::nextafter(least[k - 1], kNone);  // it was rounded to the nearest float
  }

 private:
  void leave_out(const RowFilter& block, std::vector<float>& least) const {
    if (block.bitmap.data() != nullptr) {
      for (size_t i = 0; i < rows.size(); ++i)
        if (block.contains(rows[i])) least[i] = kNone;
      return;
    }
    for (const int32_t row : block.sorted) {
      const auto at = std::lower_bound(rows.begin(), rows.end(), row);
      if (at == rows.end()) return;
      if (*at == row) least[static_cast<size_t>(at - rows.begin())] = kNone;
    }
  }
};

/// Deficits and floors of the group's queries.
void prepare_queries(SearchGroup& group, const std::vector<TierCodebook>& codebooks,
                     const Sample& sample, int64_t threads) {
  const int64_t queries = group.queries.rows;
  const int tiers = group.table.ranges.count;
  group.deficits.resize(static_cast<size_t>(tiers * queries));
  group.floors = std::make_unique<std::atomic<float>[]>(static_cast<size_t>(queries));
  std::atomic<int64_t> next{0};
  on_threads(std::min(threads, queries / 8), [&] {
    std::vector<float> least;
    for (int64_t m = next++; m < queries; m = next++) {
      for (int t = 0; t < tiers; ++t)
        group.deficits[static_cast<size_t>(t * queries + m)] =
            Deficits(codebooks[static_cast<size_t>(t)], group.queries.row(m));
      group.floors[static_cast<size_t>(m)] = sample.floor(group, m, least);
    }
  });
}

// ---- pieces -------------------------------------------------------------------------------------

struct Piece {
  int tier;
  int64_t first, last;  // tiles; a tier without codes is one piece
};

std::vector<Piece> pieces_of(const PackedTiers& table, int threads) {
  std::vector<Piece> pieces;
  for (int t = 0; t < table.ranges.count; ++t) {
    const int64_t tiles = (table.ranges.rows(t) + kTileRows - 1) / kTileRows;
    const bool whole = threads == 1 || table.tiers[t].bits == 0;
    const int64_t piece = whole ? std::max<int64_t>(tiles, 1) : kPieceTiles;
    for (int64_t first = 0; first < tiles; first += piece)
      pieces.push_back({t, first, std::min(tiles, first + piece)});
  }
  return pieces;
}

void add(const TopKStatistics& from, TopKStatistics& to) {
  to.tiles += from.tiles;
  to.early_exits += from.early_exits;
  to.bounded += from.bounded;
  to.rescored += from.rescored;
}

/// A search for groups of queries.
class Search {
 public:
  Search(const PackedTiers& table, const PreparedTiers* prepared, const TopKOptions& options,
         int64_t queries, std::optional<std::vector<int32_t>> few)
      : table_(table),
        prepared_(prepared),
        options_(options),
        kernels_(scan_kernels(options.level)),
        few_(std::move(few)),
        sample_(table, options, few_),
        pieces_(few_ ? std::vector<Piece>() : pieces_of(table, options.threads)),
        grouped_(queries >= kGroupedQueries && kernels_.shuffles),
        tables_(prepared != nullptr ? prepared->codebooks()
                                    : std::make_shared<CodebookTables>(table, grouped_)),
        no_groups_(static_cast<size_t>(table.ranges.count)) {}

  void run(View<const float> queries, int64_t first_query, TopKResult result,
           TopKStatistics& statistics) const {
    SearchGroup group{table_,
                      prepared_,
                      options_,
                      first_query,
                      queries,
                      kernels_,
                      grouped_ ? tables_->groups : no_groups_,
                      {},
                      {}};
    prepare_queries(group, tables_->codebooks, sample_, options_.threads);
    const int64_t threads =
        few_ ? 1 : std::min<int64_t>(options_.threads, static_cast<int64_t>(pieces_.size()));
    std::vector<std::unique_ptr<Scanner>> scanners;
    std::atomic<size_t> next{0};
    std::mutex mutex;
    on_threads(threads, [&] {
      auto scanner = std::make_unique<Scanner>(group);
      if (few_) {
        scanner->scan_rows(*few_);
      } else {
        for (size_t i = next++; i < pieces_.size(); i = next++) scan(*scanner, pieces_[i]);
      }
      const std::lock_guard lock(mutex);
      scanners.push_back(std::move(scanner));
    });
    for (const auto& scanner : scanners) add(scanner->statistics(), statistics);
    for (int64_t m = 0; m < queries.rows; ++m) {
      TopKHeap& heap = scanners[0]->heap(m);
      for (size_t s = 1; s < scanners.size(); ++s) heap.merge(scanners[s]->heap(m));
      const int64_t line = first_query + m;
      result.counts[static_cast<size_t>(line)] =
          heap.write(result.rows.row(line), result.scores.row(line));
    }
  }

 private:
  void scan(Scanner& scanner, const Piece& piece) const {
    if (table_.tiers[piece.tier].bits == 0) return scanner.scan_constant(piece.tier);
    scanner.scan(piece.tier, piece.first, piece.last);
  }

  const PackedTiers& table_;
  const PreparedTiers* prepared_;
  const TopKOptions& options_;
  const ScanKernels& kernels_;
  const std::optional<std::vector<int32_t>> few_;
  const Sample sample_;
  const std::vector<Piece> pieces_;
  const bool grouped_;
  const std::shared_ptr<const CodebookTables> tables_;
  const std::vector<CentroidGroups> no_groups_;
};

// ---- a handful of rows --------------------------------------------------------------------------

/// Centroids of all tiers: to make tables of them takes about as long as to score as many rows.
int64_t entries_of(const PackedTiers& table) {
  int64_t entries = 0;
  for (int t = 0; t < table.ranges.count; ++t) entries += table.ranges.centroids[t];
  return entries;
}

/// Rows, ascending, each scored for every query.
void score_all(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
               const std::vector<int32_t>& rows, TopKResult result, TopKStatistics& statistics) {
  const std::vector<int64_t> wanted(rows.begin(), rows.end());
  std::vector<float> scores(rows.size());
  for (int64_t m = 0; m < queries.rows; ++m) {
    scores_of(table, queries.slice(m, 1), wanted, scores);
    TopKHeap heap(options.k);
    for (size_t i = 0; i < rows.size(); ++i)
      if (options.admits(m, rows[i])) heap.offer(scores[i], rows[i]);
    result.counts[static_cast<size_t>(m)] = heap.write(result.rows.row(m), result.scores.row(m));
    statistics.rescored += static_cast<int64_t>(rows.size());
  }
}

void search(const PackedTiers& table, const PreparedTiers* prepared, View<const float> queries,
            const TopKOptions& options, TopKResult result, TopKStatistics* statistics) {
  if (queries.cols != table.dim)
    input_error("queries of ", queries.cols, " columns for a table of dimension ", table.dim);
  check_packed_tiers(table, queries.cols);
  check_top_k(rows_of(table), queries, options, result);
  TopKStatistics sum;
  std::optional<std::vector<int32_t>> few = options.few_allowed(rows_of(table));
  if (few && static_cast<int64_t>(few->size()) <= entries_of(table)) {
    score_all(table, queries, options, *few, result, sum);
    if (statistics != nullptr) *statistics = sum;
    return;
  }
  const Search of_call(table, prepared, options, queries.rows, std::move(few));
  const int64_t group = group_size(table);
  for (int64_t first = 0; first < queries.rows; first += group)
    of_call.run(queries.slice(first, std::min(group, queries.rows - first)), first, result, sum);
  if (statistics != nullptr) *statistics = sum;
}

}  // namespace

void top_k(const PackedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  search(table, nullptr, queries, options, result, statistics);
}

void top_k(const PreparedTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result, TopKStatistics* statistics) {
  search(table.table(), &table, queries, options, result, statistics);
}

}  // namespace mgqe

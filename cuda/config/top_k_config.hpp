// How a search for top-k lists is run. Plain numbers, so that the choice can be printed and tested
// without a GPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "host/base/check.hpp"

namespace mgqe {

inline constexpr int kScanThreads = 256;  // a row each
inline constexpr int kScanBlocks = 4;     // a multiprocessor: 64 registers a thread
inline constexpr int kMostScanQueries = 8;

// ---- which rows, in which order -----------------------------------------------------------------

/// Rows are searched in chunks, after each of which a query keeps the best k of its candidates and
/// raises its threshold. Of rows in no particular order, a chunk that ends at g times its begin has
/// about k (g - 1) rows that pass the threshold of those before.
struct TopKPlan {
  int64_t first = 0;     // rows of the first chunk, which no threshold precedes
  int64_t capacity = 0;  // candidates that a query may have in a chunk; at least `first`
};

inline constexpr int64_t kChunkGrowth = 16;

inline TopKPlan plan_top_k(int64_t rows, int64_t k) {
  const int64_t first = std::max<int64_t>(4096, 2 * k);
  return {std::min(rows, first), std::min(rows, std::max<int64_t>(8192, 2 * kChunkGrowth * k))};
}

/// Ends of chunks that grow. A query may get more candidates of one than there is room for.
inline std::vector<int64_t> growing_chunks(int64_t rows, const TopKPlan& plan) {
  std::vector<int64_t> ends;
  for (int64_t end = plan.first; end < rows; end *= kChunkGrowth) ends.push_back(end);
  ends.push_back(rows);
  return ends;
}

/// Ends of chunks whose every row there is room for.
inline std::vector<int64_t> even_chunks(int64_t rows, const TopKPlan& plan) {
  std::vector<int64_t> ends;
  for (int64_t end = plan.capacity; end < rows; end += plan.capacity) ends.push_back(end);
  ends.push_back(rows);
  return ends;
}

// ---- the scan by tables -------------------------------------------------------------------------

struct ScanShape {
  int64_t rows = 0;  // of the tier that are scanned
  int64_t row_bytes = 0;
  int64_t subspaces = 0;  // D
  int bits = 0;
  int64_t queries = 0;
};

struct ScanDevice {
  int64_t multiprocessors = 0;
  int64_t shared_bytes = 0;  // that a block may have
};

struct ScanConfig {
  int queries = 0;  // that a block scans for at a time; 0: the kernel for any shape, one query
  int64_t table_begin = 0, shared_bytes = 0;
  int64_t blocks = 0;

  bool operator==(const ScanConfig&) const = default;
};

inline std::string describe(const ScanConfig& config) {
  return detail::concat(config.queries, " queries a block, ", config.blocks, " blocks, ",
                        config.shared_bytes, " bytes of shared memory");
}

/// As many queries a block as are there and leave room for two blocks; tables begin on a line.
inline ScanConfig choose_scan(const ScanShape& shape, const ScanDevice& device) {
  constexpr int64_t kLine = 128, kTablesPerRow = 4;
  const int64_t resident = kScanBlocks * device.multiprocessors;
  ScanConfig config;
  config.blocks = std::clamp<int64_t>((shape.rows + kScanThreads - 1) / kScanThreads, 1,
                                      kTablesPerRow * resident);
  const int64_t codes = (kScanThreads * shape.row_bytes + kLine - 1) / kLine * kLine;
  const int64_t tables = 2 * shape.subspaces * (int64_t{1} << shape.bits);
  for (int queries = kMostScanQueries; queries >= 1; queries /= 2) {
    if (queries > 1 && queries / 2 >= shape.queries) continue;
    if (codes + queries * tables > device.shared_bytes / 2) continue;
    config.queries = queries;
    config.table_begin = codes;
    config.shared_bytes = codes + queries * tables;
    break;
  }
  return config;
}

// ---- products -----------------------------------------------------------------------------------

/// From so many queries on a product of rounded rows and queries takes less than sums of deficits.
inline constexpr int64_t kProductQueriesFrom = 32;

}  // namespace mgqe

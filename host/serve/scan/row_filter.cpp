// Filters, and what a call is refused for.
#include <algorithm>
#include <bit>
#include <cmath>

#include "host/serve/scan/top_k.hpp"

namespace mgqe {
namespace {

void check_filter(const RowFilter& filter, const char* name, int64_t rows) {
  if (!filter.given()) return;
  if (filter.sorted.data() != nullptr && filter.bitmap.data() != nullptr)
    input_error(name, " has both sorted rows and a bitmap: give one");
  if (filter.bitmap.data() != nullptr) {
    const auto bytes = static_cast<int64_t>(filter.bitmap.size());
    if (bytes != (rows + 7) / 8)
      input_error(name, " is a bitmap of ", bytes, " bytes where ", (rows + 7) / 8, " belong, for ",
                  rows, " rows");
    return;
  }
  for (size_t i = 0; i < filter.sorted.size(); ++i) {
    const int32_t row = filter.sorted[i];
    if (row < 0 || row >= rows)
      input_error(name, " has row ", row, ": the table has rows 0 to ", rows - 1);
    if (i > 0 && row <= filter.sorted[i - 1])
      input_error(name, " has row ", row, " after ", filter.sorted[i - 1],
                  ": sort its rows, each once");
  }
}

}  // namespace

bool RowFilter::contains(int32_t row) const {
  if (bitmap.data() != nullptr) return bitmap[static_cast<size_t>(row) / 8] >> (row % 8) & 1;
  return std::binary_search(sorted.begin(), sorted.end(), row);
}

int64_t RowFilter::size() const {
  if (bitmap.data() == nullptr) return static_cast<int64_t>(sorted.size());
  int64_t size = 0;
  for (const uint8_t byte : bitmap) size += std::popcount(byte);
  return size;
}

bool TopKOptions::admits(int64_t query, int32_t row) const {
  if (allow.given() && !allow.contains(row)) return false;
  if (block.given() && block.contains(row)) return false;
  return block_each.empty() || !block_each[static_cast<size_t>(query)].contains(row);
}

void check_top_k(int64_t rows, View<const float> queries, const TopKOptions& options,
                 TopKResult result) {
  if (options.k < 1 || options.k > kMaxTopK)
    input_error("k is ", options.k, ": 1 to ", kMaxTopK, " belong");
  if (options.threads < 1) input_error("threads is ", options.threads, ": 1 or more belong");
  for (int64_t i = 0; i < queries.size(); ++i)
    if (!std::isfinite(queries[i]))
      input_error("query ", i / queries.cols, " has ", queries[i], " in column ", i % queries.cols,
                  ": finite numbers belong there");
  check_filter(options.allow, "the allow list", rows);
  check_filter(options.block, "the block list", rows);
  if (!options.block_each.empty() &&
      static_cast<int64_t>(options.block_each.size()) != queries.rows)
    input_error(options.block_each.size(), " block lists for ", queries.rows, " queries");
  for (size_t m = 0; m < options.block_each.size(); ++m)
    check_filter(options.block_each[m], ("the block list of query " + std::to_string(m)).c_str(),
                 rows);
  MGQE_CHECK(result.rows.rows == queries.rows && result.rows.cols == options.k &&
                 result.scores.rows == queries.rows && result.scores.cols == options.k &&
                 static_cast<int64_t>(result.counts.size()) == queries.rows,
             "room of (", result.rows.rows, ", ", result.rows.cols, ") for (", queries.rows, ", ",
             options.k, ")");
}

}  // namespace mgqe

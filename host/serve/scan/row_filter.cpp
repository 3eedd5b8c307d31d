// What a call may ask for, and filters of rows.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "host/serve/scan/top_k.hpp"

namespace mgqe {
namespace {

void check_filter(const RowFilter& filter, int64_t rows, const std::string& name) {
  const auto& sorted = filter.sorted;
  if (sorted.data() != nullptr && filter.bitmap.data() != nullptr)
    input_error(name, " has both a sorted list and a bitmap: give one");
  if (filter.bitmap.data() != nullptr &&
      filter.bitmap.size() != static_cast<size_t>((rows + 7) / 8))
    input_error(name, ": a bitmap of ", filter.bitmap.size(), " bytes where ", rows, " rows take ",
                (rows + 7) / 8);
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] < 0 || sorted[i] >= rows)
      input_error(name, ": row ", sorted[i], " of a table of ", rows, " rows");
    if (i > 0 && sorted[i] <= sorted[i - 1])
      input_error(name, ": row ", sorted[i], " after row ", sorted[i - 1],
                  "; rows must ascend, each once");
  }
}

}  // namespace

bool RowFilter::contains(int32_t row) const {
  if (bitmap.data() != nullptr) return bitmap[static_cast<size_t>(row) / 8] >> (row % 8) & 1;
  return std::binary_search(sorted.begin(), sorted.end(), row);
}

int64_t RowFilter::size() const {
  if (bitmap.data() == nullptr) return static_cast<int64_t>(sorted.size());
  int64_t count = 0;
  for (const uint8_t byte : bitmap) count += std::popcount(byte);
  return count;
}

std::vector<int32_t> RowFilter::list() const {
  if (bitmap.data() == nullptr) return {sorted.begin(), sorted.end()};
  std::vector<int32_t> rows;
  for (size_t byte = 0; byte < bitmap.size(); ++byte)
    for (unsigned bits = bitmap[byte]; bits != 0; bits &= bits - 1)
      rows.push_back(static_cast<int32_t>(8 * byte) + std::countr_zero(bits));
  return rows;
}

std::optional<std::vector<int32_t>> TopKOptions::few_allowed(int64_t rows) const {
  constexpr int64_t kFew = 32;  // an allowed row in so many
  if (!allow.given() || allow.size() > rows / kFew) return std::nullopt;
  std::vector<int32_t> list = allow.list();
  // Bits beyond the last row are no rows.
  while (!list.empty() && list.back() >= rows) list.pop_back();
  return list;
}

bool TopKOptions::admits(int64_t m, int32_t row) const {
  if (allow.given() && !allow.contains(row)) return false;
  if (block.given() && block.contains(row)) return false;
  return block_each.empty() || !block_each[static_cast<size_t>(m)].contains(row);
}

void check_top_k(int64_t rows, View<const float> queries, const TopKOptions& options,
                 TopKResult result) {
  const int64_t k = options.k;
  if (k < 1 || k > kMaxTopK) input_error("k is ", k, "; it may be 1 to ", kMaxTopK);
  if (options.threads < 1) input_error("threads is ", options.threads, "; it must be 1 or more");
  MGQE_CHECK(rows <= std::numeric_limits<int32_t>::max(), rows, " rows");
  MGQE_CHECK(result.rows.rows == queries.rows && result.rows.cols == k &&
                 result.scores.rows == queries.rows && result.scores.cols == k &&
                 static_cast<int64_t>(result.counts.size()) == queries.rows,
             "results of ", queries.rows, " queries and k ", k);
  for (int64_t i = 0; i < queries.size(); ++i)
    if (!std::isfinite(queries[i]))
      input_error("query ", i / queries.cols, " has ", queries[i], " in column ", i % queries.cols,
                  "; queries must be finite");
  check_filter(options.allow, rows, "allow");
  check_filter(options.block, rows, "block");
  if (!options.block_each.empty() &&
      static_cast<int64_t>(options.block_each.size()) != queries.rows)
    input_error("block_each has ", options.block_each.size(), " filters for ", queries.rows,
                " queries");
  for (size_t m = 0; m < options.block_each.size(); ++m)
    check_filter(options.block_each[m], rows, "block_each of query " + std::to_string(m));
}

}  // namespace mgqe

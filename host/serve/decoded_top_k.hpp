// Top-k where there are no codes to scan: rows are decoded a chunk at a time, or a backbone has
// computed the scores. The same order, filters and scores as host/serve/scan/top_k.hpp.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "host/serve/row_reader.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe {

/// Calls visit(first row, rows (c, d)) for rows [begin, end), a chunk that caches hold at a time.
void for_each_decoded(const RowReader& rows, int64_t begin, int64_t end,
                      const std::function<void(int64_t, View<const float>)>& visit);

/// ranking_score of the query (1, d) and rows 0 .. m - 1, as they are scored, into out (m).
void decoded_scores(const RowReader& rows, View<const float> query, View<float> out,
                    int threads = 1);
/// The same of the rows asked for; InputError on one that is none.
void decoded_scores(const RowReader& rows, View<const float> query, std::span<const int64_t> wanted,
                    View<float> out);

/// top_k() of a table of any scheme.
void decoded_top_k(const RowReader& rows, View<const float> queries, const TopKOptions& options,
                   TopKResult result);

// For one query: options and result of it alone.

/// scores (n) of all rows; one that is no number never enters.
void top_k_of_scores(std::span<const float> scores, const TopKOptions& options, TopKResult result);
/// scores (m) of some rows, ascending.
void top_k_of_rows(std::span<const int32_t> rows, std::span<const float> scores,
                   const TopKOptions& options, TopKResult result);

/// Query m's share of a call.
TopKOptions of_query(const TopKOptions& options, int64_t m);
TopKResult of_query(TopKResult result, int64_t m);

/// One query's options, with one row more that is blocked.
class WithoutRow {
 public:
  /// rows: of the table. InputError on a block list that is none.
  WithoutRow(const TopKOptions& options, int32_t row, int64_t rows);
  const TopKOptions& options() const { return options_; }

 private:
  TopKOptions options_;
  std::vector<int32_t> sorted_;
  std::vector<uint8_t> bitmap_;
  RowFilter each_;
};

/// A result with room of its own.
struct TopKBuffers {
  TopKBuffers(int64_t queries, int64_t k);
  TopKResult result();

  int64_t queries, k;
  std::vector<int32_t> rows;
  std::vector<float> scores;
  std::vector<int64_t> counts;
};

}  // namespace mgqe

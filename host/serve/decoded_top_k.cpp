#include "host/serve/decoded_top_k.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "host/cpu/runtime/parallel.hpp"
#include "host/serve/pieces.hpp"
#include "host/serve/scan/top_k_heap.hpp"

namespace mgqe {
namespace {

constexpr int64_t kChunk = 256;      // rows: 64 KB at d = 64
constexpr int64_t kGrain = 1 << 14;  // rows that are worth a thread

/// scores[r] of the rows of a chunk, whose transpose is x (d, c): a chain of each row, in lanes.
void score_chunk(const float* x, View<const float> query, int64_t rows, float* scores) {
  detail::run_range(
      [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) scores[r] = 0.0f;
        for (int64_t c = 0; c < query.cols; ++c) {
          const float q = query[c];
          for (int64_t r = begin; r < end; ++r)
            scores[r] = std::fma(q, x[c * kChunk + r], scores[r]);
        }
      },
      0, rows);
}

void transpose(View<const float> chunk, float* x) {
  for (int64_t r = 0; r < chunk.rows; ++r)
    for (int64_t c = 0; c < chunk.cols; ++c) x[c * kChunk + r] = chunk.row(r)[c];
}

/// for_each_decoded of rows as they are scored.
template <class Visit>
void for_each_scored(const RowReader& rows, int64_t begin, int64_t end, const Visit& visit) {
  std::vector<float> chunk(static_cast<size_t>(kChunk * rows.scored_dim()));
  for (int64_t first = begin; first < end; first += kChunk) {
    const View<float> here(chunk.data(), std::min(kChunk, end - first), rows.scored_dim());
    rows.scored_range(first, here);
    visit(first, here);
  }
}

void write(TopKHeap& best, TopKResult result) {
  result.counts[0] = best.write(result.rows.data, result.scores.data);
}

}  // namespace

void for_each_decoded(const RowReader& rows, int64_t begin, int64_t end,
                      const std::function<void(int64_t, View<const float>)>& visit) {
  std::vector<float> chunk(static_cast<size_t>(kChunk * rows.dim()));
  for (int64_t first = begin; first < end; first += kChunk) {
    const View<float> here(chunk.data(), std::min(kChunk, end - first), rows.dim());
    rows.range(first, here);
    visit(first, here);
  }
}

void decoded_scores(const RowReader& rows, View<const float> query, View<float> out, int threads) {
  const std::vector<float> own = rows.queries_of(query);
  const View<const float> scored(own.data(), 1, rows.scored_dim());
  in_pieces(out.size(), kGrain, threads, [&](int64_t begin, int64_t end) {
    std::vector<float> x(static_cast<size_t>(kChunk * rows.scored_dim()));
    for_each_scored(rows, begin, end, [&](int64_t first, View<const float> chunk) {
      transpose(chunk, x.data());
      score_chunk(x.data(), scored, chunk.rows, out.data + first);
    });
  });
}

void decoded_scores(const RowReader& rows, View<const float> query, std::span<const int64_t> wanted,
                    View<float> out) {
  const std::vector<float> own = rows.queries_of(query);
  const View<const float> scored(own.data(), 1, rows.scored_dim());
  std::vector<float> chunk(static_cast<size_t>(kChunk * rows.scored_dim())), x(chunk.size());
  for (size_t first = 0; first < wanted.size(); first += kChunk) {
    const auto here = wanted.subspan(first, std::min<size_t>(kChunk, wanted.size() - first));
    const View<float> decoded(chunk.data(), static_cast<int64_t>(here.size()), rows.scored_dim());
    rows.scored_look_up(here, decoded);
    transpose(decoded, x.data());
    score_chunk(x.data(), scored, decoded.rows, out.data + first);
  }
}

void decoded_top_k(const RowReader& rows, View<const float> queries, const TopKOptions& options,
                   TopKResult result) {
  check_top_k(rows.rows(), queries, options, result);
  if (const auto few = options.few_allowed(rows.rows())) {
    const std::vector<int64_t> wanted(few->begin(), few->end());
    std::vector<float> scores(few->size());
    for (int64_t m = 0; m < queries.rows; ++m) {
      decoded_scores(rows, queries.slice(m, 1), wanted,
                     {scores.data(), static_cast<int64_t>(scores.size())});
      top_k_of_rows(*few, scores, of_query(options, m), of_query(result, m));
    }
    return;
  }
  const std::vector<float> own = rows.queries_of(queries);
  const View<const float> scored(own.data(), queries.rows, rows.scored_dim());
  std::vector<TopKHeap> best(static_cast<size_t>(queries.rows), TopKHeap(options.k));
  std::mutex mutex;
  in_pieces(rows.rows(), kGrain, options.threads, [&](int64_t begin, int64_t end) {
    std::vector<TopKHeap> mine(static_cast<size_t>(queries.rows), TopKHeap(options.k));
    std::vector<float> x(static_cast<size_t>(kChunk * rows.scored_dim())), scores(kChunk);
    for_each_scored(rows, begin, end, [&](int64_t first, View<const float> chunk) {
      transpose(chunk, x.data());
      for (int64_t m = 0; m < queries.rows; ++m) {
        score_chunk(x.data(), scored.slice(m, 1), chunk.rows, scores.data());
        for (int64_t r = 0; r < chunk.rows; ++r)
          if (options.admits(m, static_cast<int32_t>(first + r)))
            mine[static_cast<size_t>(m)].offer(scores[static_cast<size_t>(r)],
                                               static_cast<int32_t>(first + r));
      }
    });
    const std::lock_guard lock(mutex);
    for (size_t m = 0; m < mine.size(); ++m) best[m].merge(mine[m]);
  });
  for (int64_t m = 0; m < queries.rows; ++m)
    write(best[static_cast<size_t>(m)], of_query(result, m));
}

void top_k_of_scores(std::span<const float> scores, const TopKOptions& options, TopKResult result) {
  check_top_k(static_cast<int64_t>(scores.size()), {nullptr, 1, 0}, options, result);
  TopKHeap best(options.k);
  for (size_t row = 0; row < scores.size(); ++row)
    if (options.admits(0, static_cast<int32_t>(row)))
      best.offer(scores[row], static_cast<int32_t>(row));
  write(best, result);
}

void top_k_of_rows(std::span<const int32_t> rows, std::span<const float> scores,
                   const TopKOptions& options, TopKResult result) {
  TopKHeap best(options.k);
  for (size_t i = 0; i < rows.size(); ++i)
    if (options.admits(0, rows[i])) best.offer(scores[i], rows[i]);
  write(best, result);
}

TopKOptions of_query(const TopKOptions& options, int64_t m) {
  TopKOptions own = options;
  if (!options.block_each.empty())
    own.block_each = options.block_each.subspan(static_cast<size_t>(m), 1);
  return own;
}

TopKResult of_query(TopKResult result, int64_t m) {
  return {result.rows.slice(m, 1), result.scores.slice(m, 1),
          result.counts.subspan(static_cast<size_t>(m), 1)};
}

WithoutRow::WithoutRow(const TopKOptions& options, int32_t row, int64_t rows) : options_(options) {
  RowFilter before;
  if (!options.block_each.empty()) before = options.block_each.front();
  if (before.bitmap.data() != nullptr) {
    bitmap_.assign(before.bitmap.begin(), before.bitmap.end());
    bitmap_.resize(static_cast<size_t>((rows + 7) / 8));
    bitmap_[static_cast<size_t>(row) / 8] |= static_cast<uint8_t>(1 << row % 8);
    each_.bitmap = bitmap_;
  } else {
    sorted_.assign(before.sorted.begin(), before.sorted.end());
    const auto place = std::lower_bound(sorted_.begin(), sorted_.end(), row);
    if (place == sorted_.end() || *place != row) sorted_.insert(place, row);
    each_.sorted = sorted_;
  }
  options_.block_each = {&each_, 1};
}

TopKBuffers::TopKBuffers(int64_t queries, int64_t k)
    : queries(queries),
      k(k),
      rows(static_cast<size_t>(queries * k)),
      scores(static_cast<size_t>(queries * k)),
      counts(static_cast<size_t>(queries)) {}

TopKResult TopKBuffers::result() {
  return {{rows.data(), queries, k}, {scores.data(), queries, k}, counts};
}

}  // namespace mgqe

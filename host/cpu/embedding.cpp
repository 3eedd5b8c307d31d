// Look-ups of a batch on the CPU: the deduplicating sort and the optimizers over touched rows.
//
// Rows, sums of squares and gradients lie anywhere in memory, so all are fetched ahead. Fetching
// table rows further ahead than kPrefetchRows was tried: it changes nothing.
#include <bit>

#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/runtime/lanes.hpp"
#include "host/engine/functors/row_rules.hpp"

namespace mgqe {
namespace {

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;

/// Stable least-significant-digit radix sort by the upper 32 bits of each key, whose values fit in
/// `bits` bits. Result in keys.
void radix_sort(std::vector<uint64_t>& keys, std::vector<uint64_t>& buffer, int bits) {
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    uint32_t starts[kDigits] = {};
    for (const uint64_t key : keys) ++starts[(key >> (32 + shift)) & (kDigits - 1)];
    uint32_t total = 0;
    for (uint32_t& start : starts) total += std::exchange(start, total);
    for (const uint64_t key : keys) buffer[starts[(key >> (32 + shift)) & (kDigits - 1)]++] = key;
    keys.swap(buffer);
  }
}

// How far ahead rows are fetched: of the tables, which are up to three arrays, and of gradients.
constexpr int64_t kPrefetchRows = 3;
constexpr int64_t kPrefetchLookups = 8;

inline void prefetch_row(const float* row, int64_t d) {
  for (int64_t c = 0; c < d; c += 16) __builtin_prefetch(row + c, 1);
}

/// The gradient that the sorted look-ups have in place p; those look-ups lie anywhere in the batch.
inline const float* gradient_at(const UniqueIds& unique, View<const float> gradient, int64_t p) {
  const int64_t ahead = std::min(p + kPrefetchLookups, unique.order.size() - 1);
  const float* fetched = gradient.row(unique.order[ahead]);
  for (int64_t c = 0; c < gradient.cols; c += 16) __builtin_prefetch(fetched + c);
  return gradient.row(unique.order[p]);
}

/// The summed look-up gradients of distinct row u: a look-up's own row where it is the only one,
/// else `sum`.
inline const float* sum_row(const UniqueIds& unique, View<const float> gradient, int64_t u,
                            float* __restrict sum) {
  const int32_t first = unique.offsets[u], last = unique.offsets[u + 1];
  const float* row = gradient_at(unique, gradient, first);
  if (last - first == 1) return row;
  const int64_t d = gradient.cols;
  for (int64_t c = 0; c < d; ++c) sum[c] = row[c];
  for (int32_t p = first + 1; p < last; ++p) {
    const float* __restrict next = gradient_at(unique, gradient, p);
    for (int64_t c = 0; c < d; ++c) sum[c] += next[c];
  }
  return sum;
}

// Fewer rows are updated sooner by the thread whose caches hold their gradients.
constexpr int64_t kRowGrain = 256;

/// Mean over columns of rule.square, in sixteen sums of their own: the same bits at every
/// instruction level.
template <class Rule>
inline float mean_square(const Rule& rule, const float* __restrict parameter,
                         const float* __restrict g, int64_t d) {
  alignas(64) float sums[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= d; c += kLanes)
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) sums[l] += rule.square(parameter[c + l], g[c + l]);
  for (int l = 0; c + l < d; ++l) sums[l] += rule.square(parameter[c + l], g[c + l]);
  Lanes lanes;
  load(sums, lanes);
  return sum_lanes(lanes) / static_cast<float>(d);
}

/// Row `id`, which the rule's arrays have at `place`, from its summed gradient g (d).
template <class Rule>
inline void update_row(const Rule& rule, int64_t id, int64_t place, const float* __restrict g,
                       int64_t d) {
  constexpr int kArrays = Rule::kArrays;
  float* rows[kArrays];
  for (int a = 0; a < kArrays; ++a) rows[a] = rule.arrays[a].row(place);
  float rate;
  if constexpr (Rule::kRowNorm)
    rate = rule.row_rate(id, mean_square(rule, rows[0], g, d));
  else
    rate = rule.rate();
#pragma GCC ivdep
  for (int64_t c = 0; c < d; ++c) {
    float x[kArrays];
    if constexpr (Rule::kReads)
      for (int a = 0; a < kArrays; ++a) x[a] = rows[a][c];
    rule.element(x, g[c], rate);
    for (int a = 0; a < kArrays; ++a) rows[a][c] = x[a];
  }
}

/// Every touched row by the rule, from the sum of its look-up gradients (B, d).
template <class Rule>
void reduce_rows(const Rule& rule, const UniqueIds& unique, View<const float> gradient) {
  const int64_t d = gradient.cols;
  MGQE_CHECK(d <= kMaxDim, "dimension ", d, " is over ", kMaxDim);
  parallel_ranges(unique.count[0], kRowGrain, [=](int64_t begin, int64_t end) {
    float sum[kMaxDim];
    for (int64_t u = begin; u < end; ++u) {
      if (Rule::kReads && u + kPrefetchRows < end) {
        const int64_t ahead = unique.ids[u + kPrefetchRows];
        for (const View<float>& array : rule.arrays)
          prefetch_row(array.row(unique.place(u + kPrefetchRows)), d);
        if constexpr (Rule::kRowNorm) __builtin_prefetch(&rule.square_sums[ahead], 1);
      }
      update_row(rule, unique.ids[u], unique.place(u), sum_row(unique, gradient, u, sum), d);
    }
  });
}

}  // namespace

void CpuBackend::deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) {
  const int64_t n = ids.size();
  sort_keys_.resize(static_cast<size_t>(n));
  sort_buffer_.resize(static_cast<size_t>(n));
  for (int64_t b = 0; b < n; ++b)
    sort_keys_[b] = static_cast<uint64_t>(ids[b]) << 32 | static_cast<uint64_t>(b);
  radix_sort(sort_keys_, sort_buffer_, std::bit_width(static_cast<uint64_t>(id_limit - 1)));

  int32_t count = 0;
  for (int64_t p = 0; p < n; ++p) {
    const int32_t id = static_cast<int32_t>(sort_keys_[p] >> 32);
    const int32_t position = static_cast<int32_t>(sort_keys_[p] & 0xFFFFFFFFu);
    if (count == 0 || unique.ids[count - 1] != id) {
      unique.ids[count] = id;
      unique.offsets[count] = static_cast<int32_t>(p);
      ++count;
    }
    unique.order[p] = position;
    unique.inverse[position] = count - 1;
  }
  unique.offsets[count] = static_cast<int32_t>(n);
  unique.count[0] = count;
}

void CpuBackend::update_rows(View<float> table, const UniqueIds& unique, View<const float> gradient,
                             const RowUpdate& update, View<const StepState> state) {
  with_row_rule(table, unique.gathered, update, state,
                [&](const auto& rule) { reduce_rows(rule, unique, gradient); });
}

void CpuBackend::sum_gradients(const UniqueIds& unique, View<const float> gradient,
                               View<float> table_gradient) {
  reduce_rows(StoreSumRule{{table_gradient}}, unique, gradient);
}

// By whole rows, which the functor's columns would read a float at a time.
void CpuBackend::sum_positions(View<const float> x, Sequences sequences, View<float> sums) {
  const int64_t d = x.cols;
  parallel_ranges(sums.rows, 1, [=](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      float* __restrict sum = sums.row(p);
      bool any = false;
      for (int64_t b = 0; b + 1 < sequences.offsets.rows; ++b) {
        const int64_t t = sequences.offsets[b + 1] - (sums.rows - p);
        if (t < sequences.offsets[b]) continue;
        const float* __restrict row = x.row(t);
        for (int64_t c = 0; c < d; ++c) sum[c] = any ? sum[c] + row[c] : row[c];
        any = true;
      }
      if (!any) std::fill_n(sum, d, 0.0f);
    }
  });
}

}  // namespace mgqe

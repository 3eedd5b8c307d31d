// Decode on the CPU: a row is D pieces copied from a codebook that stays in the L2 cache
// (host/packed/decode_row.hpp).
//
// Bytes a row: packed_row_bytes + d elements. Packed rows read by id are fetched ahead. Rows in
// binary16 are copied from codebooks rounded beforehand, unless there are fewer rows than
// centroids: then each row is rounded.
//
// Weighed and left: offsets of the codes computed as a vector and stored (the narrow loads that
// follow wait for the wide store: three times slower at w = 8); a loop for each number of bits (the
// shifts get no cheaper); stores past the cache (faster where a row is many copies, slower where it
// is few, and the reader of a batch wants it cached); fetching the lines of the output eight rows
// ahead of their stores (by 64K ids at w = 8 in f32 it took 1.98 ms instead of 1.67, in f16 as
// long).
#include "host/cpu/cpu_backend.hpp"
#include "host/packed/decode_row.hpp"

namespace mgqe {
namespace {

constexpr int64_t kDecodeGrain = 64;  // rows

/// Codebook (K_t, d) of every tier, in the type of the rows.
template <class T>
struct Codebooks {
  const T* of[kMaxTiers];
};

/// Calls emit(i, packed row, tier) for rows [begin, end) of the set.
template <class Emit>
inline void for_each_packed_row(const PackedTiers& table, RowSet rows, int64_t begin, int64_t end,
                                const Emit& emit) {
  for (int64_t i = begin; i < end; ++i) {
    if (rows.ids != nullptr && i + kRowsAhead < end) {
      const int64_t ahead = rows[i + kRowsAhead];
      __builtin_prefetch(table.row(table.ranges.tier_of(ahead), ahead));
    }
    const int64_t id = rows[i];
    const int t = table.ranges.tier_of(id);
    emit(i, packed_row(table, t, id), t);
  }
}

template <class T>
void copy_rows(const PackedTiers& table, const Codebooks<T>& codebooks, RowSet rows, View<T> out) {
  parallel_ranges(rows.size(), kDecodeGrain, [&, rows, out](int64_t begin, int64_t end) {
    for_each_packed_row(table, rows, begin, end, [&](int64_t i, const PackedRow& row, int t) {
      decode_any_row(row, codebooks.of[t], out.cols, out.row(i));
    });
  });
}

/// For few rows: each is decoded and then rounded.
void round_rows(const PackedTiers& table, RowSet rows, View<Half> out) {
  std::vector<float> row(static_cast<size_t>(out.cols));
  for_each_packed_row(table, rows, 0, rows.size(), [&](int64_t i, const PackedRow& packed, int t) {
    decode_any_row(packed, table.tiers[t].codebook, out.cols, row.data());
    Half* half = out.row(i);
    for (int64_t c = 0; c < out.cols; ++c) half[c] = to_half(row[c]);
  });
}

bool shares_codebook(const PackedTiers& table, int tier) {
  return tier > 0 && table.tiers[tier].codebook == table.tiers[0].codebook;
}

int64_t total_centroids(const PackedTiers& table) {
  int64_t total = 0;
  for (int t = 0; t < table.ranges.count; ++t)
    if (!shares_codebook(table, t)) total += table.ranges.centroids[t];
  return total;
}

}  // namespace

void CpuBackend::decode_rows(const PackedTiers& table, RowSet rows, View<float> out) {
  check_packed_tiers(table, out.cols);
  MGQE_CHECK(out.rows >= rows.size(), out.rows, " rows of output for ", rows.size());
  Codebooks<float> codebooks{};
  for (int t = 0; t < table.ranges.count; ++t) codebooks.of[t] = table.tiers[t].codebook;
  copy_rows(table, codebooks, rows, out);
}

void CpuBackend::decode_rows(const PackedTiers& table, RowSet rows, View<Half> out) {
  check_packed_tiers(table, out.cols);
  MGQE_CHECK(out.rows >= rows.size(), out.rows, " rows of output for ", rows.size());
  const int64_t centroids = total_centroids(table), d = out.cols;
  if (rows.size() < centroids) return round_rows(table, rows, out);
  half_codebooks_.resize(static_cast<size_t>(centroids * d));
  Codebooks<Half> codebooks{};
  Half* next = half_codebooks_.data();
  for (int t = 0; t < table.ranges.count; ++t) {
    codebooks.of[t] = shares_codebook(table, t) ? codebooks.of[0] : next;
    if (shares_codebook(table, t)) continue;
    const float* from = table.tiers[t].codebook;
    const int64_t size = table.ranges.centroids[t] * d;
    parallel_ranges(size, kElementGrain, [from, next](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) next[i] = to_half(from[i]);
    });
    next += size;
  }
  copy_rows(table, codebooks, rows, out);
}

}  // namespace mgqe

// Exact top-k of a coded table: bounds of rows by their codes, and the scan that needs no more than
// them; the scores that count, and the keys that order them. Selection is in
// top_k_select_kernel.cuh, the scan for many queries in top_k_product_kernel.cuh.
//
// Bounds. With L_j(c) the inner product of the query's part j and centroid c of subspace j, codes
// c_1 .. c_D have in exact arithmetic the score s = sum_j max_j - delta, delta = sum_j (max_j -
// L_j(c_j)) >= 0. The score that counts is s', a chain of d fmas in floats, so that (deficit.hpp of
// host/serve/scan derives it)
//   |s' - s| <= gamma_d A + d 2^-149,  A = sum_i |q_i| max_c |c_i|,  gamma_d = d u / (1 - d u),
// u = 2^-24. L_j, max_j and sums of them are computed in doubles, where products of floats are
// exact: they lose less than (d + D + 16) 2^-52 A. A deficit is kept as the float nearest to
// (1 - 2^-23) of it, which is at most itself and 2^-150 more. So s' >= threshold only where the sum
// of kept deficits is at most
//   gap = (sum_j max_j - threshold + slack) (1 + 2^-40),
//   slack = A (gamma_d + (d + D + 16) 2^-52) + (d + D) 2^-149,
// the last factor for the roundings of the gap itself and of sums of deficits in doubles.
//
// In sixteen bits: floor(deficit 65534 / gap (1 - 2^-22)), at most 65535; the factor makes up for
// two roundings to floats, each of 1 + 2^-24. Floors only lower a sum, so that a row whose sum is
// above 65534 cannot enter. Entries of codes beyond K are 65535: a row of a damaged file never
// does.
#pragma once

#include <cfloat>

#include "cuda/config/top_k_config.hpp"
#include "cuda/primitives.cuh"
#include "host/base/bfloat16.hpp"
#include "host/base/half.hpp"
#include "host/engine/coded_top_k.hpp"

namespace mgqe {

/// The largest sum of a row that may enter.
inline constexpr uint32_t kMostDeficit = 65534;

/// What is known of a query's scores in a tier. Of one whose scores may overflow or be no numbers
/// no bound holds: `most` is infinite, and all its deficits are 0.
struct TierBound {
  double most, slack;    // most: sum_j max_j
  double product_error;  // top_k_product_kernel.cuh; infinite where no bound holds
};

/// A group of queries, and what a search keeps of each. Everything lies on the device.
struct TopKArguments {
  PackedTiers table;
  const float* columns[kMaxTiers];     // (d, K_t): the transpose of a tier's codebook
  const float* greatest[kMaxTiers];    // (d): max_c |component|, infinity where one is no number
  const Bfloat16* rounded[kMaxTiers];  // (K_t, d): the codebook rounded
  int64_t deficits_begin[kMaxTiers + 1];

  View<const float> queries;  // (M, d)
  int64_t k, capacity;
  RowSelection allow, block;
  const RowSelection* block_each;  // (M), or null

  TierBound* bounds;      // (M, tiers)
  float* deficits;        // (M, deficits_begin[tiers]), of tier t (D, K_t)
  uint64_t* floors;       // (M): the least key that may enter, which k rows reach; 0: none known
  uint64_t* fresh;        // (M, capacity): keys of candidates since the last selection
  unsigned* fresh_count;  // (M): more than capacity where some were lost

  __device__ const TierBound& bound(int64_t m, int tier) const {
    return bounds[m * table.ranges.count + tier];
  }
  __device__ const float* deficits_of(int64_t m, int tier) const {
    return deficits + m * deficits_begin[table.ranges.count] + deficits_begin[tier];
  }
  __device__ bool admits(int64_t m, int32_t row) const {
    if (allow.given() && !allow.contains(row)) return false;
    if (block.given() && block.contains(row)) return false;
    return block_each == nullptr || !block_each[m].contains(row);
  }
};

// ---- keys ---------------------------------------------------------------------------------------

/// Larger for what comes first: a higher score, then a lower row. No two rows share one. 0 of a
/// score that is no number. Zeros of either sign tie.
__device__ inline uint64_t key_of(float score, int32_t row) {
  if (!(score == score)) return 0;
  const uint32_t bits = score == 0.0f ? 0 : detail::bits_of_float(score);
  const uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(ordered) << 32 | (0xFFFFFFFFu - static_cast<uint32_t>(row));
}
__device__ inline int32_t row_of(uint64_t key) {
  return static_cast<int32_t>(0xFFFFFFFFu - static_cast<uint32_t>(key));
}
/// The score that a row needs to reach a floor.
__device__ inline float threshold_of(uint64_t floor) {
  if (floor == 0) return -INFINITY;
  const auto ordered = static_cast<uint32_t>(floor >> 32);
  return detail::float_of_bits(ordered >> 31 ? ordered & 0x7FFFFFFFu : ~ordered);
}

// ---- the scores that count ----------------------------------------------------------------------

/// ranking_score of query m and the row that code_of(0), code_of(1) .. name; false where one of
/// these is beyond K.
template <class CodeOf>
__device__ inline bool score_codes(const TopKArguments& a, int tier, int64_t m,
                                   const CodeOf& code_of, float* score) {
  const CodedTier& coded = a.table.tiers[tier];
  const int width = static_cast<int>(a.table.dim) / coded.subspaces;
  const int centroids = a.table.ranges.centroids[tier];
  const float* query = a.queries.row(m);
  const float* part = coded.codebook;
  float sum = 0.0f;
  for (int j = 0; j < coded.subspaces; ++j) {
    const int code = code_of(j);
    if (code >= centroids) return false;
    const float* centroid = part + code * a.table.dim;
    for (int i = 0; i < width; ++i) sum = fmaf(query[i], centroid[i], sum);
    query += width;
    part += width;
  }
  *score = sum;
  return true;
}

/// A row that no bound has ruled out becomes a candidate of query m, if filters and its score let
/// it in.
template <class CodeOf>
__device__ inline void consider(const TopKArguments& a, int tier, int64_t m, int32_t row,
                                const CodeOf& code_of) {
  if (!a.admits(m, row)) return;
  float score = 0.0f;
  if (!score_codes(a, tier, m, code_of, &score)) return;
  const uint64_t key = key_of(score, row);
  if (key == 0 || key < a.floors[m]) return;
  const unsigned place = atomicAdd(&a.fresh_count[m], 1u);
  if (place < a.capacity) a.fresh[m * a.capacity + place] = key;
}

/// Codes of a row where it lies.
struct PackedCodes {
  const uint8_t* row;
  int bits;
  __device__ int operator()(int j) const { return unpack_code(row, j, bits); }
};

// ---- bounds -------------------------------------------------------------------------------------

inline constexpr int kBoundThreads = 256;
// a multiprocessor: 128 registers a thread, for sums in doubles
inline constexpr int kBoundBlocks = 2;

__device__ inline double warp_max(double value) {
  MGQE_UNROLL
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2)
    value = fmax(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/// Deficits of query m in subspace j of a tier, by a warp; returns max_j. All zero unless bounded.
__device__ inline double write_deficits(const TopKArguments& a, int tier, int64_t m, int j,
                                        bool bounded, float* deficits) {
  constexpr int kOwn = kMaxCentroids / kWarpSize;
  const int width = static_cast<int>(a.table.dim) / a.table.tiers[tier].subspaces;
  const int centroids = a.table.ranges.centroids[tier];
  const float* query = a.queries.row(m) + j * width;
  const float* columns = a.columns[tier] + static_cast<int64_t>(j) * width * centroids;
  double products[kOwn] = {};
  for (int i = 0; i < width; ++i, columns += centroids) {
    const double q = query[i];
    MGQE_UNROLL
    for (int o = 0; o < kOwn; ++o)
      if (const int c = lane_index() + o * kWarpSize; c < centroids) products[o] += q * columns[c];
  }
  double most = -INFINITY;
  MGQE_UNROLL
  for (int o = 0; o < kOwn; ++o)
    if (lane_index() + o * kWarpSize < centroids) most = fmax(most, products[o]);
  most = warp_max(most);
  MGQE_UNROLL
  for (int o = 0; o < kOwn; ++o)
    if (const int c = lane_index() + o * kWarpSize; c < centroids)
      deficits[c] = bounded ? static_cast<float>((most - products[o]) * (1.0 - 0x1p-23)) : 0.0f;
  return most;
}

/// |q_i| max_c |c_i| and what else bounds need, summed over dimensions.
struct Magnitudes {
  double products = 0.0;  // A
  double factors = 0.0;   // sum_i |q_i| + max_c |c_i|
  int huge = 0;           // factors of 2^127 and more, which may round to infinity
};

/// A bound on |p - s'| of the product p of rounded rows and queries: top_k_product_kernel.cuh.
__device__ inline double product_error(const Magnitudes& of, int64_t d);

/// Bounds and deficits. Blocks (query, tier).
__global__ void __launch_bounds__(kBoundThreads, kBoundBlocks)
    bound_scores_kernel(const __grid_constant__ TopKArguments a) {
  MGQE_SHARED_ARRAY(int, bounded, 1);
  const int64_t m = blockIdx.x, d = a.table.dim;
  const int tier = static_cast<int>(blockIdx.y), subspaces = a.table.tiers[tier].subspaces;
  Magnitudes own;
  for (int64_t i = threadIdx.x; i < d; i += kBoundThreads) {
    const double q = fabs(static_cast<double>(a.queries.row(m)[i])), c = a.greatest[tier][i];
    own.products += q * c;
    own.factors += q + c;
    own.huge += q >= 0x1p127 || c >= 0x1p127;
  }
  own.products = block_sum<kBoundThreads>(own.products);
  own.factors = block_sum<kBoundThreads>(own.factors);
  own.huge = block_sum<kBoundThreads>(own.huge);
  // No partial sum of the chain overflows: each is below (1 + gamma) A. Not so where A is NaN.
  if (threadIdx.x == 0) bounded[0] = own.products < static_cast<double>(FLT_MAX) / 2;
  __syncthreads();
  const int64_t begin = m * a.deficits_begin[a.table.ranges.count] + a.deficits_begin[tier];
  const int centroids = a.table.ranges.centroids[tier];
  double most = 0.0;
  for (int j = static_cast<int>(threadIdx.x) / kWarpSize; j < subspaces;
       j += kBoundThreads / kWarpSize)
    most += write_deficits(a, tier, m, j, bounded[0] != 0,
                           a.deficits + begin + static_cast<int64_t>(j) * centroids);
  most = block_sum<kBoundThreads>(lane_index() == 0 ? most : 0.0);
  if (threadIdx.x != 0) return;
  TierBound& bound = a.bounds[m * a.table.ranges.count + tier];
  const double terms = static_cast<double>(d), u = 0x1p-24, gamma = terms * u / (1.0 - terms * u);
  bound.most = bounded[0] ? most : INFINITY;
  bound.slack =
      own.products * (gamma + (terms + subspaces + 16) * 0x1p-52) + (terms + subspaces) * 0x1p-149;
  bound.product_error = bounded[0] ? product_error(own, d) : INFINITY;
}

/// Below zero: no row of the tier reaches the threshold. Infinite where there is none.
__device__ inline double gap_of(const TierBound& bound, float threshold) {
  if (bound.most == INFINITY || threshold == -INFINITY) return INFINITY;
  return (bound.most - static_cast<double>(threshold) + bound.slack) * (1.0 + 0x1p-40);
}

// ---- the scan by tables -------------------------------------------------------------------------

/// Loaded as one.
struct alignas(16) Words {
  uint32_t x[4];
};

/// Codes of one of the rows that lie side by side in 32-bit words; the last word may be cut short.
struct StagedCodes {
  const uint32_t* words;
  int first_bit, bits;
  __device__ int operator()(int j) const {
    if (bits == 0) return 0;
    const int bit = first_bit + j * bits, shift = bit % 32;
    uint32_t code = words[bit / 32] >> shift;
    if (shift + bits > 32) code |= words[bit / 32 + 1] << (32 - shift);
    return static_cast<int>(code & ((1u << bits) - 1));
  }
};

/// Sixteen-bit tables (D, 2^bits) of query m, all 65535 where no row of the tier can enter.
__device__ inline void write_tables(const TopKArguments& a, int tier, int64_t m, uint16_t* tables) {
  const int bits = a.table.tiers[tier].bits, centroids = a.table.ranges.centroids[tier];
  const int size = a.table.tiers[tier].subspaces << bits;
  const double gap =
      m < a.queries.rows ? gap_of(a.bound(m, tier), threshold_of(a.floors[m])) : -1.0;
  const bool reached = gap >= 0.0;
  const float* deficits = reached ? a.deficits_of(m, tier) : nullptr;
  const auto scale = static_cast<float>(fmin(kMostDeficit / gap * (1.0 - 0x1p-22), FLT_MAX / 2.0));
  for (int i = static_cast<int>(threadIdx.x); i < size; i += kScanThreads) {
    const int j = i >> bits, c = i & ((1 << bits) - 1);
    float product = 65535.0f;
    if (reached && c < centroids) product = fminf(deficits[j * centroids + c] * scale, 65535.0f);
    tables[i] = static_cast<uint16_t>(product);
  }
}

/// Rows [first, last) of a tier, a thread each, for kQueries queries: blocks (rows, queries). A
/// table of 64 entries is 32 words, a bank each: no two codes conflict. Rows that the sums leave
/// are listed, and scored by all threads. Dynamic shared memory: codes of kScanThreads rows, then
/// from table_begin on the tables (kQueries, D, 2^bits).
template <int kQueries>
__global__ void __launch_bounds__(kScanThreads, kScanBlocks)
    scan_tables_kernel(const __grid_constant__ TopKArguments a, int tier, int64_t first,
                       int64_t last, int64_t table_begin) {
  MGQE_DYNAMIC_SHARED(unsigned char, shared);
  MGQE_SHARED_ARRAY(uint16_t, hits, kQueries * kScanThreads);
  MGQE_SHARED_ARRAY(unsigned, hit_count, 1);
  auto* const words = reinterpret_cast<uint32_t*>(shared);
  auto* const tables = reinterpret_cast<uint16_t*>(shared + table_begin);
  const CodedTier& coded = a.table.tiers[tier];
  const int bits = coded.bits, subspaces = coded.subspaces, size = subspaces << bits;
  const int row_bytes = static_cast<int>(coded.row_bytes());
  const int64_t rows = a.table.ranges.rows(tier), begin = a.table.ranges.begin(tier);
  const int64_t first_query = static_cast<int64_t>(blockIdx.y) * kQueries;
  for (int q = 0; q < kQueries; ++q) write_tables(a, tier, first_query + q, tables + q * size);

  // Tiles begin where 16 rows do: their codes at 16 bytes.
  constexpr int64_t kAligned = 16;
  for (int64_t tile = first / kAligned * kAligned + static_cast<int64_t>(blockIdx.x) * kScanThreads;
       tile < last; tile += static_cast<int64_t>(gridDim.x) * kScanThreads) {
    __syncthreads();
    const int64_t bytes = min(rows - tile, static_cast<int64_t>(kScanThreads)) * row_bytes;
    const auto* const from = reinterpret_cast<const Words*>(coded.codes + tile * row_bytes);
    for (int v = static_cast<int>(threadIdx.x); v * int64_t{sizeof(Words)} < bytes;
         v += kScanThreads)
      reinterpret_cast<Words*>(words)[v] = from[v];
    if (threadIdx.x == 0) hit_count[0] = 0;
    __syncthreads();
    const int64_t row = tile + threadIdx.x;
    if (row >= first && row < last) {
      const StagedCodes codes{words, static_cast<int>(threadIdx.x) * row_bytes * 8, bits};
      uint32_t sums[kQueries] = {};
      for (int j = 0; j < subspaces; ++j) {
        const uint16_t* entry = tables + (j << bits) + codes(j);
        MGQE_UNROLL
        for (int q = 0; q < kQueries; ++q) sums[q] += entry[q * size];
      }
      MGQE_UNROLL
      for (int q = 0; q < kQueries; ++q)
        if (sums[q] <= kMostDeficit)
          hits[atomicAdd(&hit_count[0], 1u)] =
              static_cast<uint16_t>(q * kScanThreads + static_cast<int>(threadIdx.x));
    }
    __syncthreads();
    for (unsigned h = threadIdx.x; h < hit_count[0]; h += kScanThreads) {
      const int place = hits[h] % kScanThreads;
      consider(a, tier, first_query + hits[h] / kScanThreads,
               static_cast<int32_t>(begin + tile + place),
               StagedCodes{words, place * row_bytes * 8, bits});
    }
  }
}

/// The same where tables do not fit: sums in doubles of the deficits as they lie. Blocks (rows,
/// query).
__global__ void __launch_bounds__(kScanThreads, kScanBlocks)
    scan_any_kernel(const __grid_constant__ TopKArguments a, int tier, int64_t first,
                    int64_t last) {
  const CodedTier& coded = a.table.tiers[tier];
  const int64_t m = blockIdx.y, begin = a.table.ranges.begin(tier);
  const int centroids = a.table.ranges.centroids[tier];
  const double gap = gap_of(a.bound(m, tier), threshold_of(a.floors[m]));
  if (gap < 0.0) return;
  for (int64_t row = first + grid_thread(); row < last; row += grid_threads()) {
    const PackedCodes codes{coded.codes + row * coded.row_bytes(), coded.bits};
    const float* deficits = a.deficits_of(m, tier);
    double sum = 0.0;
    bool known = true;
    for (int j = 0; j < coded.subspaces && known; ++j, deficits += centroids) {
      const int code = codes(j);
      known = code < centroids;
      if (known) sum += deficits[code];
    }
    if (known && sum <= gap) consider(a, tier, m, static_cast<int32_t>(begin + row), codes);
  }
}

/// Rows list[first] .. list[last - 1], ascending, or where there is no list first .. last - 1: each
/// is scored. Blocks (rows, query).
__global__ void __launch_bounds__(kScanThreads, kScanBlocks)
    score_rows_kernel(const __grid_constant__ TopKArguments a, const int32_t* list, int64_t first,
                      int64_t last) {
  const int64_t m = blockIdx.y;
  for (int64_t i = first + grid_thread(); i < last; i += grid_threads()) {
    const int64_t row = list != nullptr ? list[i] : i;
    const int tier = a.table.ranges.tier_of(row);
    consider(a, tier, m, static_cast<int32_t>(row),
             PackedCodes{a.table.row(tier, row), a.table.tiers[tier].bits});
  }
}

}  // namespace mgqe

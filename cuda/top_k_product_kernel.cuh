// The scan for many queries: rows are decoded, rounded to bfloat16, and multiplied by queries
// rounded likewise on tensor cores; a row is scored where its product comes near the threshold.
//
// The product p and the score s' that counts, of a query q and a row x, d dimensions:
//   rounding    a factor becomes (1 + e) times itself, |e| <= 2^-8, or loses at most 2^-126 where
//   it
//               is subnormal (tensor cores may take it for zero). Below 2^127 none becomes
//               infinite.
//               So the exact sum of rounded products is within
//                 (2^-7 + 2^-16) A + 2^-125 (sum_i |q_i| + |x_i|) + d 2^-252 of s,
//               where A >= sum_i |q_i| |x_i|.
//   summation   in an order and by a rounding that are not specified, but by arithmetic of at least
//               single precision, according to the PTX manual (mma, wmma). Take it that each of the
//               d' products (d' >= d, a multiple of 16) and d' partial sums is cut off once, below
//               2^-23 of the largest magnitude there is, or 2^-126. None is above 1.02 A, so this
//               costs at most 2 d' (2^-23 1.02 A + 2^-126); four times of it are allowed for.
//   s'          |s' - s| <= gamma_d A + d 2^-149 (top_k_kernel.cuh).
// Together |p - s'| <= E, with
//   E = A (2^-7 + 2^-15 + 8.2 d' 2^-23 + gamma_d) + 2^-124 (sum_i |q_i| + max_c |c_i|) + 10 d'
// 2^-126, where A is the tier's, sum_i |q_i| max_c |c_i|. A row whose score reaches the threshold
// has p >= threshold - E. That is compared as a float that is lower than the exact one by 2^-20 of
// |threshold| + E, and by 2^-100, which is more than its roundings. The bound is loose; results do
// not depend on it.
#pragma once

#include "cuda/top_k_kernel.cuh"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <mma.h>
#endif

namespace mgqe {

__device__ inline double product_error(const Magnitudes& of, int64_t d) {
  if (of.huge > 0) return INFINITY;
  const double terms = static_cast<double>(d), padded = static_cast<double>((d + 15) / 16 * 16);
  const double u = 0x1p-24, gamma = terms * u / (1.0 - terms * u);
  return of.products * (0x1p-7 + 0x1p-15 + 8.2 * padded * 0x1p-23 + gamma) + 0x1p-124 * of.factors +
         10.0 * padded * 0x1p-126;
}

inline constexpr int kProductThreads = 256;
inline constexpr int kProductBlocks = 3;    // a multiprocessor: 80 registers a thread
inline constexpr int kProductRows = 64;     // a block multiplies a tile of rows
inline constexpr int kProductQueries = 64;  // by a group of queries,
inline constexpr int kProductDepth = 64;    // so many dimensions at a time
inline constexpr int kCell = 16;            // what tensor cores multiply is kCell each way
/// Padding spreads rows over banks, and keeps what a warp loads on 32 bytes.
inline constexpr int kProductStride = kProductDepth + 8;
inline constexpr int kSumStride = kProductQueries + 4;

/// Tensor cores load and store from places aligned to 32 bytes.
template <class T>
struct alignas(32) Line {
  T x[32 / sizeof(T)];
};
template <class T>
inline constexpr int kLineSize = 32 / static_cast<int>(sizeof(T));

/// sums (kProductRows, kSumStride) = rows (kProductRows, kProductStride) times the transpose of
/// queries, over the first `depth` columns, a multiple of kCell; added to what is there unless
/// `begins`. By the whole block; the caller synchronizes. Without tensor cores for bfloat16,
/// plainly.
__device__ inline void multiply_tile(const Bfloat16* rows, const Bfloat16* queries, int depth,
                                     bool begins, float* sums) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  namespace wmma = nvcuda::wmma;
  constexpr int kAcross = kProductQueries / kCell;
  constexpr int kCells = kProductRows / kCell * kAcross, kWarps = kProductThreads / kWarpSize;
  const auto* const a = reinterpret_cast<const __nv_bfloat16*>(rows);
  const auto* const b = reinterpret_cast<const __nv_bfloat16*>(queries);
  for (int cell = static_cast<int>(threadIdx.x) / kWarpSize; cell < kCells; cell += kWarps) {
    const int r = cell / kAcross * kCell, q = cell % kAcross * kCell;
    float* const out = sums + r * kSumStride + q;
    wmma::fragment<wmma::accumulator, kCell, kCell, kCell, float> sum;
    if (begins)
      wmma::fill_fragment(sum, 0.0f);
    else
      wmma::load_matrix_sync(sum, out, kSumStride, wmma::mem_row_major);
    for (int i = 0; i < depth; i += kCell) {
      wmma::fragment<wmma::matrix_a, kCell, kCell, kCell, __nv_bfloat16, wmma::row_major> x;
      wmma::fragment<wmma::matrix_b, kCell, kCell, kCell, __nv_bfloat16, wmma::col_major> y;
      wmma::load_matrix_sync(x, a + r * kProductStride + i, kProductStride);
      wmma::load_matrix_sync(y, b + q * kProductStride + i, kProductStride);
      wmma::mma_sync(sum, x, y, sum);
    }
    wmma::store_matrix_sync(out, sum, kSumStride, wmma::mem_row_major);
  }
#else
  for (int p = static_cast<int>(threadIdx.x); p < kProductRows * kProductQueries;
       p += kProductThreads) {
    const int r = p / kProductQueries, q = p % kProductQueries;
    float sum = begins ? 0.0f : sums[r * kSumStride + q];
    for (int i = 0; i < depth; ++i)
      sum = fmaf(to_float(rows[r * kProductStride + i]), to_float(queries[q * kProductStride + i]),
                 sum);
    sums[r * kSumStride + q] = sum;
  }
#endif
}

/// Columns [column, + depth) of decoded rows [tile, + kProductRows) of a tier. Zeros past the
/// tier's end and past d; a code beyond K stands for 0, and is met again where the row is scored.
__device__ inline void decode_tile(const TopKArguments& a, int tier, int64_t tile, int64_t column,
                                   int depth, Bfloat16* out) {
  const CodedTier& coded = a.table.tiers[tier];
  const int64_t dim = a.table.dim, rows = a.table.ranges.rows(tier);
  const int width = static_cast<int>(dim) / coded.subspaces;
  const int centroids = a.table.ranges.centroids[tier];
  for (int t = static_cast<int>(threadIdx.x); t < kProductRows * depth; t += kProductThreads) {
    const int r = t / depth, i = t % depth;
    const int64_t c = column + i;
    Bfloat16 value{0};
    if (tile + r < rows && c < dim) {
      const int code = unpack_code(coded.codes + (tile + r) * coded.row_bytes(),
                                   static_cast<int>(c) / width, coded.bits);
      value = a.rounded[tier][(code < centroids ? code : 0) * dim + c];
    }
    out[r * kProductStride + i] = value;
  }
}

/// The same columns of queries [first, + kProductQueries), zeros where there are none.
__device__ inline void round_queries(const TopKArguments& a, int64_t first, int64_t column,
                                     int depth, Bfloat16* out) {
  for (int t = static_cast<int>(threadIdx.x); t < kProductQueries * depth; t += kProductThreads) {
    const int q = t / depth, i = t % depth;
    Bfloat16 value{0};
    if (first + q < a.queries.rows && column + i < a.queries.cols)
      value = to_bfloat16(a.queries.row(first + q)[column + i]);
    out[q * kProductStride + i] = value;
  }
}

/// The least product of a row of the tier that may enter query m's list.
__device__ inline float least_product(const TopKArguments& a, int tier, int64_t m) {
  if (m >= a.queries.rows) return INFINITY;
  const double threshold = threshold_of(a.floors[m]), error = a.bound(m, tier).product_error;
  if (threshold == -INFINITY || error == INFINITY) return -INFINITY;
  // An infinite threshold is reached by no bounded score.
  if (threshold == INFINITY) return INFINITY;
  return static_cast<float>(threshold - error - (fabs(threshold) + error) * 0x1p-20 - 0x1p-100);
}

/// Rows [first, last) of a tier for all queries: blocks (rows, queries).
__global__ void __launch_bounds__(kProductThreads, kProductBlocks)
    scan_products_kernel(const __grid_constant__ TopKArguments a, int tier, int64_t first,
                         int64_t last) {
  MGQE_SHARED_ARRAY(Line<Bfloat16>, row_lines, kProductRows * kProductStride / kLineSize<Bfloat16>);
  MGQE_SHARED_ARRAY(Line<Bfloat16>, query_lines,
                    kProductQueries * kProductStride / kLineSize<Bfloat16>);
  MGQE_SHARED_ARRAY(Line<float>, sum_lines, kProductRows * kSumStride / kLineSize<float>);
  MGQE_SHARED_ARRAY(uint16_t, hits, kProductRows * kProductQueries);
  MGQE_SHARED_ARRAY(float, least, kProductQueries);
  MGQE_SHARED_ARRAY(unsigned, hit_count, 1);
  auto* const rows = reinterpret_cast<Bfloat16*>(row_lines);
  auto* const queries = reinterpret_cast<Bfloat16*>(query_lines);
  auto* const sums = reinterpret_cast<float*>(sum_lines);
  const CodedTier& coded = a.table.tiers[tier];
  const int64_t dim = a.table.dim, begin = a.table.ranges.begin(tier);
  const int64_t first_query = static_cast<int64_t>(blockIdx.y) * kProductQueries;
  for (int q = static_cast<int>(threadIdx.x); q < kProductQueries; q += kProductThreads)
    least[q] = least_product(a, tier, first_query + q);

  for (int64_t tile = first + static_cast<int64_t>(blockIdx.x) * kProductRows; tile < last;
       tile += static_cast<int64_t>(gridDim.x) * kProductRows) {
    if (threadIdx.x == 0) hit_count[0] = 0;
    for (int64_t column = 0; column < dim; column += kProductDepth) {
      const int here = static_cast<int>(min(dim - column, static_cast<int64_t>(kProductDepth)));
      const int depth = (here + kCell - 1) / kCell * kCell;
      __syncthreads();
      decode_tile(a, tier, tile, column, depth, rows);
      round_queries(a, first_query, column, depth, queries);
      __syncthreads();
      multiply_tile(rows, queries, depth, column == 0, sums);
    }
    __syncthreads();
    const int count = static_cast<int>(min(last - tile, static_cast<int64_t>(kProductRows)));
    for (int p = static_cast<int>(threadIdx.x); p < count * kProductQueries; p += kProductThreads) {
      const int r = p / kProductQueries, q = p % kProductQueries;
      if (first_query + q < a.queries.rows && !(sums[r * kSumStride + q] < least[q]))
        hits[atomicAdd(&hit_count[0], 1u)] = static_cast<uint16_t>(p);
    }
    __syncthreads();
    for (unsigned h = threadIdx.x; h < hit_count[0]; h += kProductThreads) {
      const int r = hits[h] / kProductQueries, q = hits[h] % kProductQueries;
      consider(a, tier, first_query + q, static_cast<int32_t>(begin + tile + r),
               PackedCodes{coded.codes + (tile + r) * coded.row_bytes(), coded.bits});
    }
    __syncthreads();  // before the next tile's count
  }
}

}  // namespace mgqe

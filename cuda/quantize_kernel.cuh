// Nearest-centroid search, decode, and the quantization error of a row.
#pragma once

#include <cmath>

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kAssignThreads = 128;  // of the kernels that take any width

/// What one assign call reads and writes; shapes as in Backend::assign.
struct AssignArguments {
  View<const float> queries;     // (n, d)
  RowSet rows;                   // the rows of queries to encode
  View<const float> codebook;    // (K, d)
  View<const float> half_norms;  // (K, D)
  Tiers tiers;
  View<uint8_t> codes;  // (|rows|, D)
  View<float> decoded;  // (|rows|, d)
};

/// Centroids whose minimum is kept before the lowest score so far is looked at. A longer chunk
/// spares comparisons (3 a chunk and row) and costs rescanning (w + 4 slots for each of its
/// centroids, once a row): at K = 256 the best is 13 for w = 2 and 8 for w = 8.
template <int kWidth>
inline constexpr int kChunk = kWidth >= 8 ? 8 : 16;

/// Floats of a chunk in shared memory: half norms, then centroids. Four more, so that lanes that
/// rescan different chunks start in different banks.
template <int kWidth>
inline constexpr int kChunkFloats = kChunk<kWidth>*(1 + kWidth) + 4;

/// Floats from row to row of a tile: lanes that read the same column of 32 rows share no bank.
template <int kWidth, int kSubspaces>
inline constexpr int kTileFloats = kWidth* kSubspaces + (kWidth < 4 ? kWidth : 4);

template <int kWidth>
MGQE_HD int chunks_of(int centroids) {
  return (centroids + kChunk<kWidth> - 1) / kChunk<kWidth>;
}

/// Shared memory: the chunks of kSubspaces subspaces; where there are several, a tile of rows,
/// their limits and their codes.
template <int kWidth, int kSubspaces>
size_t assign_shared_bytes(int64_t centroids, int64_t tile) {
  const int chunks = chunks_of<kWidth>(static_cast<int>(centroids));
  const size_t table =
      sizeof(float) * static_cast<size_t>(kSubspaces * chunks * kChunkFloats<kWidth>);
  if (kSubspaces == 1) return table;
  const size_t row = sizeof(float) * kTileFloats<kWidth, kSubspaces> + sizeof(int) + kSubspaces;
  return table + row * static_cast<size_t>(tile);
}

/// The chunks of subspace j: (chunks, kChunkFloats). What fills the last chunk up scores infinity.
template <int kWidth>
__device__ inline void load_chunks(const AssignArguments& a, int64_t j, int first, int step,
                                   float* chunks) {
  constexpr int kSize = kChunk<kWidth>;
  const int centroids = static_cast<int>(a.codebook.rows);
  for (int k = first; k < chunks_of<kWidth>(centroids) * kSize; k += step) {
    float* const chunk = chunks + k / kSize * kChunkFloats<kWidth>;
    auto& centroid = reinterpret_cast<FloatVector<kWidth>*>(chunk + kSize)[k % kSize];
    chunk[k % kSize] = k < centroids ? a.half_norms.row(k)[j] : INFINITY;
    if (k < centroids)
      centroid = reinterpret_cast<const FloatVector<kWidth>*>(a.codebook.row(k))[j];
    else
      centroid = FloatVector<kWidth>{};
  }
}

/// A thread's rows of one subspace and the best of each so far.
template <int kWidth, int kRows>
struct AssignRows {
  FloatVector<kWidth> e[kRows];
  int limit[kRows];     // 0: skip
  float lowest[kRows];  // score
  int chunk[kRows];     // that has it
};

inline constexpr int kGroup = 4;  // centroids whose half norms are one 16-byte read

/// Lowers lowest[s] to the scores of four centroids, of which `first` is the first. fminf passes
/// over a score that does not compare. kMasked: only centroids below each row's limit.
template <int kWidth, int kRows, bool kMasked>
__device__ inline void search_group(const float* half_norms, const float* centroids, int first,
                                    const AssignRows<kWidth, kRows>& rows, float* lowest) {
  const auto norms = *reinterpret_cast<const FloatVector<kGroup>*>(half_norms);
  FloatVector<kGroup> c[kWidth];  // kGroup centroids of w floats
  MGQE_UNROLL
  for (int q = 0; q < kWidth; ++q)
    c[q] = reinterpret_cast<const FloatVector<kGroup>*>(centroids)[q];
  MGQE_UNROLL
  for (int i = 0; i < kGroup; ++i) {
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s) {
      float score = norms.x[i];
      MGQE_UNROLL
      for (int q = 0; q < kWidth; ++q) {
        const int at = i * kWidth + q;
        score = fmaf(-rows.e[s].x[q], c[at / kGroup].x[at % kGroup], score);
      }
      if (!kMasked || first + i < rows.limit[s]) lowest[s] = fminf(lowest[s], score);
    }
  }
}

/// Offers chunk `index` to every row. The minimum runs on from chunk to chunk: where it fell, this
/// chunk is the first to have it.
template <int kWidth, int kRows, bool kMasked>
__device__ inline void search_chunk(const float* chunk, int index,
                                    AssignRows<kWidth, kRows>& rows) {
  constexpr int kSize = kChunk<kWidth>;
  const float* const centroids = chunk + kSize;
  float lowest[kRows];
  MGQE_UNROLL
  for (int s = 0; s < kRows; ++s) lowest[s] = rows.lowest[s];
  if constexpr (kMasked) {
    for (int g = 0; g < kSize; g += kGroup)
      search_group<kWidth, kRows, true>(chunk + g, centroids + g * kWidth, index * kSize + g, rows,
                                        lowest);
  } else {
    MGQE_UNROLL
    for (int g = 0; g < kSize; g += kGroup)
      search_group<kWidth, kRows, false>(chunk + g, centroids + g * kWidth, 0, rows, lowest);
  }
  MGQE_UNROLL
  for (int s = 0; s < kRows; ++s) {
    rows.chunk[s] = lowest[s] < rows.lowest[s] ? index : rows.chunk[s];
    rows.lowest[s] = lowest[s];
  }
}

/// The lowest score of every row and the first chunk that has it. Chunks that all rows may use
/// whole come first; then, where limits end inside a chunk or rows of two tiers meet in a thread,
/// chunks with a comparison more a score.
template <int kWidth, int kRows>
__device__ inline void search(const float* chunks, int centroids, AssignRows<kWidth, kRows>& rows) {
  int whole = chunks_of<kWidth>(centroids), last = 0;
  MGQE_UNROLL
  for (int s = 0; s < kRows; ++s) {
    rows.lowest[s] = INFINITY;
    rows.chunk[s] = 0;
    if (rows.limit[s] == 0) continue;
    // The table ends with a whole chunk, filled up.
    if (rows.limit[s] < centroids) whole = min(whole, rows.limit[s] / kChunk<kWidth>);
    last = max(last, chunks_of<kWidth>(rows.limit[s]));
  }
  int index = 0;
  for (; index < min(whole, last); ++index)
    search_chunk<kWidth, kRows, false>(chunks + index * kChunkFloats<kWidth>, index, rows);
  for (; index < last; ++index)
    search_chunk<kWidth, kRows, true>(chunks + index * kChunkFloats<kWidth>, index, rows);
}

/// Rescan: the lowest index in row s's chunk whose score, computed over again to the same bits, is
/// the lowest score; 0 where no score compared.
template <int kWidth, int kRows>
__device__ inline int code_of(const float* chunks, const AssignRows<kWidth, kRows>& rows, int s) {
  constexpr int kSize = kChunk<kWidth>;
  const float* const chunk = chunks + rows.chunk[s] * kChunkFloats<kWidth>;
  const auto* const centroids = reinterpret_cast<const FloatVector<kWidth>*>(chunk + kSize);
  int code = 0;
  MGQE_UNROLL
  for (int i = kSize - 1; i >= 0; --i)
    if (centroid_score(rows.e[s].x, centroids[i].x, chunk[i], kWidth) == rows.lowest[s]) code = i;
  return rows.lowest[s] < INFINITY ? rows.chunk[s] * kSize + code : 0;
}

template <int kWidth>
__device__ inline FloatVector<kWidth> centroid_of(const float* chunks, int code) {
  constexpr int kSize = kChunk<kWidth>;
  const float* const chunk = chunks + code / kSize * kChunkFloats<kWidth>;
  return reinterpret_cast<const FloatVector<kWidth>*>(chunk + kSize)[code % kSize];
}

/// Block = kThreads * kRows rows of subspace blockIdx.y, repeated down the rows. A thread reads and
/// writes its w floats of each row: whole sectors from w = 8 on.
template <int kWidth, int kRows, int kThreads>
__global__ void __launch_bounds__(kThreads)
    assign_kernel(const __grid_constant__ AssignArguments a) {
  using Vector = FloatVector<kWidth>;
  MGQE_DYNAMIC_SHARED(float, chunks);
  constexpr int64_t kTile = kThreads * kRows;
  const int64_t j = blockIdx.y, count = a.rows.size();
  if (blockIdx.x * kTile >= count) return;
  load_chunks<kWidth>(a, j, static_cast<int>(threadIdx.x), kThreads, chunks);
  __syncthreads();
  for (int64_t tile = blockIdx.x * kTile; tile < count; tile += gridDim.x * kTile) {
    AssignRows<kWidth, kRows> rows;
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s) {
      const int64_t i = tile + threadIdx.x + s * kThreads;
      const int64_t read = i < count ? i : tile;
      rows.limit[s] = i < count ? a.tiers.limit(a.rows[read]) : 0;
      rows.e[s] = reinterpret_cast<const Vector*>(a.queries.row(a.rows.place(read)))[j];
    }
    search(chunks, static_cast<int>(a.codebook.rows), rows);
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s) {
      if (rows.limit[s] == 0) continue;
      const int64_t i = tile + threadIdx.x + s * kThreads;
      const int code = code_of(chunks, rows, s);
      a.codes.row(i)[j] = static_cast<uint8_t>(code);
      reinterpret_cast<Vector*>(a.decoded.row(i))[j] = centroid_of<kWidth>(chunks, code);
    }
  }
}

/// A tile of rows in shared memory: the columns of a slab of kSubspaces subspaces.
template <int kWidth, int kSubspaces, int kTile>
struct AssignTile {
  static constexpr int kStride = kTileFloats<kWidth, kSubspaces>;
  float* columns;  // (kTile, kStride): queries, then the decoded rows in their place
  int* limits;     // (kTile); 0 past the count
  uint8_t* codes;  // (kTile, kSubspaces)

  __device__ explicit AssignTile(float* memory)
      : columns(memory),
        limits(reinterpret_cast<int*>(columns + kTile * kStride)),
        codes(reinterpret_cast<uint8_t*>(limits + kTile)) {}
  __device__ FloatVector<kWidth>& at(int row, int subspace) const {
    return *reinterpret_cast<FloatVector<kWidth>*>(columns + row * kStride + subspace * kWidth);
  }
  /// Neighbouring threads take neighbouring columns, so whole sectors move.
  template <int kThreads>
  __device__ void load(const AssignArguments& a, int64_t first, int64_t first_subspace) const {
    for (int t = static_cast<int>(threadIdx.x); t < kTile * kSubspaces; t += kThreads) {
      const int row = t / kSubspaces, subspace = t % kSubspaces;
      const int64_t i = first + row, j = first_subspace + subspace;
      const bool inside = i < a.rows.size();
      if (subspace == 0) limits[row] = inside ? a.tiers.limit(a.rows[i]) : 0;
      if (j >= a.codes.cols) continue;
      at(row, subspace) = {};  // rows past the count are searched too, for nothing
      if (inside)
        at(row, subspace) =
            reinterpret_cast<const FloatVector<kWidth>*>(a.queries.row(a.rows.place(i)))[j];
    }
  }
  template <int kThreads>
  __device__ void store(const AssignArguments& a, int64_t first, int64_t first_subspace) const {
    for (int t = static_cast<int>(threadIdx.x); t < kTile * kSubspaces; t += kThreads) {
      const int row = t / kSubspaces, subspace = t % kSubspaces;
      const int64_t i = first + row, j = first_subspace + subspace;
      if (limits[row] == 0 || j >= a.codes.cols) continue;
      a.codes.row(i)[j] = codes[t];
      reinterpret_cast<FloatVector<kWidth>*>(a.decoded.row(i))[j] = at(row, subspace);
    }
  }
};

/// Block = 32 kRows rows x kSubspaces subspaces, a warp for each, repeated down the rows. The rows'
/// slab of columns comes and goes through shared memory, whole sectors at a time.
template <int kWidth, int kRows, int kSubspaces>
__global__ void __launch_bounds__(kSubspaces* kWarpSize)
    assign_slab_kernel(const __grid_constant__ AssignArguments a) {
  MGQE_DYNAMIC_SHARED(float, shared);
  constexpr int kThreads = kSubspaces * kWarpSize, kTile = kWarpSize * kRows;
  const int centroids = static_cast<int>(a.codebook.rows);
  const int table = chunks_of<kWidth>(centroids) * kChunkFloats<kWidth>;  // floats of a subspace
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize, lane = lane_index();
  const int64_t first_subspace = int64_t{blockIdx.y} * kSubspaces, count = a.rows.size();
  const AssignTile<kWidth, kSubspaces, kTile> tile(shared + kSubspaces * table);
  float* const chunks = shared + warp * table;
  const bool searches = first_subspace + warp < a.codes.cols;  // the last slab may have fewer
  if (searches) load_chunks<kWidth>(a, first_subspace + warp, lane, kWarpSize, chunks);
  for (int64_t first = int64_t{blockIdx.x} * kTile; first < count; first += gridDim.x * kTile) {
    __syncthreads();  // the last tile is stored, the chunks are loaded
    tile.template load<kThreads>(a, first, first_subspace);
    __syncthreads();
    if (searches) {
      AssignRows<kWidth, kRows> rows;
      MGQE_UNROLL
      for (int s = 0; s < kRows; ++s) {
        rows.e[s] = tile.at(s * kWarpSize + lane, warp);
        rows.limit[s] = tile.limits[s * kWarpSize + lane];
      }
      search(chunks, centroids, rows);
      MGQE_UNROLL
      for (int s = 0; s < kRows; ++s) {
        const int row = s * kWarpSize + lane, code = code_of(chunks, rows, s);
        tile.codes[row * kSubspaces + warp] = static_cast<uint8_t>(code);
        tile.at(row, warp) = centroid_of<kWidth>(chunks, code);
      }
    }
    __syncthreads();
    tile.template store<kThreads>(a, first, first_subspace);
  }
}

/// Lowest canonical score so far of one row in one subspace.
struct Nearest {
  float score = INFINITY;
  int code = 0;

  __device__ void offer(float candidate, int k) {
    if (candidate < score) {  // strictly: the lowest index wins a tie
      score = candidate;
      code = k;
    }
  }
};

/// Any width: a thread per (row, subspace), everything read from global memory.
__global__ void __launch_bounds__(kAssignThreads) assign_any_width_kernel(AssignArguments a) {
  const int64_t subspaces = a.codes.cols, width = a.queries.cols / subspaces;
  const int64_t work = a.rows.size() * subspaces;
  for (int64_t t = grid_thread(); t < work; t += grid_threads()) {
    const int64_t i = t / subspaces, j = t % subspaces;
    const float* e = a.queries.row(a.rows.place(i)) + j * width;
    const int limit = a.tiers.limit(a.rows[i]);
    if (limit == 0) continue;
    Nearest nearest;
    for (int k = 0; k < limit; ++k) {
      const float* c = a.codebook.row(k) + j * width;
      nearest.offer(centroid_score(e, c, a.half_norms.row(k)[j], static_cast<int>(width)), k);
    }
    a.codes.row(i)[j] = static_cast<uint8_t>(nearest.code);
    const float* c = a.codebook.row(nearest.code) + j * width;
    for (int64_t q = 0; q < width; ++q) a.decoded.row(i)[j * width + q] = c[q];
  }
}

/// squared_error[i] = ||queries[rows[i]] - decoded[i]||^2, a warp per row.
__global__ void __launch_bounds__(kAssignThreads)
    squared_error_kernel(View<const float> queries, RowSet rows,
                         const __grid_constant__ Tiers tiers, View<const float> decoded,
                         View<float> squared_error) {
  const int64_t count = rows.size();
  for (int64_t i = grid_warp(); i < count; i += grid_warps()) {
    if (tiers.limit(rows[i]) == 0) continue;
    const float* e = queries.row(rows.place(i));
    const float* c = decoded.row(i);
    float sum = 0.0f;
    for (int64_t q = lane_index(); q < queries.cols; q += kWarpSize)
      sum = fmaf(e[q] - c[q], e[q] - c[q], sum);
    sum = warp_sum(sum);
    if (lane_index() == 0) squared_error[i] = sum;
  }
}

}  // namespace mgqe

// Decode: rows of a packed table, by range or by ids, as f32 or binary16.
#pragma once

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

#include "cuda/config/decode_config.hpp"
#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

/// kCount elements, loaded and stored as one.
template <int kCount, class T>
struct alignas(kCount * sizeof(T)) Piece {
  T x[kCount];
};

/// Elements of an output row in 16 bytes: what a thread writes.
template <class T>
inline constexpr int kVectorSize = 16 / static_cast<int>(sizeof(T));

/// Where in shared memory the codebook of each tier lies.
struct Staging {
  int64_t begin[kMaxTiers];  // in elements
  int64_t size[kMaxTiers];   // K_t d to load; 0 where an earlier tier loads the same codebook
  int64_t total;
};

inline Staging plan_staging(const PackedTiers& table) {
  Staging plan{};
  for (int t = 0; t < table.ranges.count; ++t) {
    int owner = 0;
    while (owner < t && (table.tiers[owner].codebook != table.tiers[t].codebook ||
                         table.ranges.centroids[owner] < table.ranges.centroids[t]))
      ++owner;
    plan.begin[t] = owner < t ? plan.begin[owner] : plan.total;
    plan.size[t] = owner < t ? 0 : table.ranges.centroids[t] * table.dim;
    plan.total += plan.size[t];
  }
  return plan;
}

/// Largest piece that lies within one subspace of every tier and divides a vector.
template <class T>
int piece_size(const PackedTiers& table) {
  int piece = kVectorSize<T>;
  for (int t = 0; t < table.ranges.count; ++t)
    while (table.dim / table.tiers[t].subspaces % piece != 0) piece /= 2;
  return piece;
}

template <class T>
struct DecodeArguments {
  PackedTiers table;
  RowSet rows;
  View<T> out;  // (|rows|, d)
  Staging staging;
};

template <class T>
__device__ inline T rounded(float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
#if defined(__CUDA_ARCH__)
    return {__half_as_ushort(__float2half_rn(x))};  // the same bits
#else
    return to_half(x);
#endif
  }
}

/// kCount elements of a codebook in global memory, as T.
template <int kCount, class T>
__device__ inline Piece<kCount, T> rounded_piece(const float* from) {
  constexpr int kLoad = kCount < 4 ? kCount : 4;  // floats in at most 16 bytes
  Piece<kCount, T> piece;
  MGQE_UNROLL
  for (int q = 0; q < kCount; q += kLoad) {
    const auto part = *reinterpret_cast<const Piece<kLoad, float>*>(from + q);
    MGQE_UNROLL
    for (int p = 0; p < kLoad; ++p) piece.x[q + p] = rounded<T>(part.x[p]);
  }
  return piece;
}

/// The codes that the kPieces pieces of a thread's vector take from rows of one tier. All that
/// depends on the tier alone is kept: rows of a batch seldom change it.
template <int kPieces>
struct CodesOfVector {
  int tier = -1;
  const uint8_t* packed = nullptr;
  int64_t begin = 0;  // the tier's first id
  int row_bytes = 0, bits = 0;
  int index[kPieces] = {};  // of each piece's code in the row
  bool consecutive = false;

  __device__ void update(const PackedTiers& table, int new_tier, int column, int piece) {
    if (tier == new_tier) return;
    tier = new_tier;
    const CodedTier& coded = table.tiers[tier];
    packed = coded.codes;
    begin = table.ranges.begin(tier);
    row_bytes = static_cast<int>(coded.row_bytes());
    bits = coded.bits;
    const int width = static_cast<int>(table.dim) / coded.subspaces;
    MGQE_UNROLL
    for (int p = 0; p < kPieces; ++p) index[p] = (column + p * piece) / width;
    consecutive = width == piece && bits == 8;
  }
  /// Codes of one byte that lie side by side are one load, where they are aligned for it.
  __device__ void load(int64_t id, uint8_t* codes) const {
    using Bytes = Piece<kPieces, uint8_t>;
    // An id has 32 bits: one multiplication.
    const uint8_t* row = packed + static_cast<int64_t>(static_cast<int>(id - begin)) * row_bytes;
    const uint8_t* first = row + index[0];
    if (kPieces > 1 && consecutive && reinterpret_cast<uintptr_t>(first) % sizeof(Bytes) == 0) {
      const Bytes bytes = *reinterpret_cast<const Bytes*>(first);
      MGQE_UNROLL
      for (int p = 0; p < kPieces; ++p) codes[p] = bytes.x[p];
    } else {
      MGQE_UNROLL
      for (int p = 0; p < kPieces; ++p)
        codes[p] = static_cast<uint8_t>(unpack_code(row, index[p], bits));
    }
  }
};

/// Loads every codebook that no earlier tier loads. d is a multiple of the vector.
template <class T>
__device__ inline void stage_codebooks(const DecodeArguments<T>& a, T* shared) {
  constexpr int kVector = kVectorSize<T>;
  for (int t = 0; t < a.table.ranges.count; ++t)
    for (int64_t i = threadIdx.x * kVector; i < a.staging.size[t]; i += kDecodeThreads * kVector)
      *reinterpret_cast<Piece<kVector, T>*>(shared + a.staging.begin[t] + i) =
          rounded_piece<kVector, T>(a.table.tiers[t].codebook + i);
  __syncthreads();
}

/// A thread writes 16 bytes of each of its rows, the threads of a row side by side. kPiece elements
/// of a vector come from one centroid. kStaged: codebooks in shared memory, staging.total elements.
/// Needs d a multiple of the vector, at most kDecodeThreads vectors, all pointers aligned to 16.
template <class T, int kPiece, bool kStaged>
__global__ void __launch_bounds__(kDecodeThreads, kDecodeBlocks)
    decode_vectors_kernel(const __grid_constant__ DecodeArguments<T> a) {
  constexpr int kVector = kVectorSize<T>, kPieces = kVector / kPiece,
                kRows = decode_rows_of(kPieces);
  MGQE_DYNAMIC_SHARED(T, shared);
  if constexpr (kStaged) stage_codebooks(a, shared);
  const int dim = static_cast<int>(a.table.dim), row_threads = dim / kVector;
  const int group = static_cast<int>(threadIdx.x) / row_threads;
  const int groups = kDecodeThreads / row_threads;
  const int column = (static_cast<int>(threadIdx.x) - group * row_threads) * kVector;
  const int64_t count = a.rows.size(), tile_rows = int64_t{kRows} * groups;
  if (group >= groups) return;
  CodesOfVector<kPieces> codes_of;
  for (int64_t tile = blockIdx.x * tile_rows; tile < count; tile += gridDim.x * tile_rows) {
    int tier[kRows];
    uint8_t codes[kRows][kPieces];
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s) {
      const int64_t i = tile + s * groups + group;
      const int64_t id = a.rows[i < count ? i : tile];
      tier[s] = a.table.ranges.tier_of(id);
      codes_of.update(a.table, tier[s], column, kPiece);
      codes_of.load(id, codes[s]);
    }
    MGQE_UNROLL
    for (int s = 0; s < kRows; ++s) {
      const int64_t i = tile + s * groups + group;
      Piece<kPieces, Piece<kPiece, T>> vector;
      MGQE_UNROLL
      for (int p = 0; p < kPieces; ++p) {
        const int offset = codes[s][p] * dim + column + p * kPiece;
        if constexpr (kStaged)
          vector.x[p] = *reinterpret_cast<const Piece<kPiece, T>*>(
              shared + a.staging.begin[tier[s]] + offset);
        else
          vector.x[p] = rounded_piece<kPiece, T>(a.table.tiers[tier[s]].codebook + offset);
      }
      if (i < count) *reinterpret_cast<decltype(vector)*>(a.out.row(i) + column) = vector;
    }
  }
}

/// Any shape: a warp a row, element by element, codebooks in global memory.
template <class T>
__global__ void __launch_bounds__(kDecodeThreads, kDecodeBlocks)
    decode_any_kernel(const __grid_constant__ DecodeArguments<T> a) {
  const int64_t count = a.rows.size();
  const int dim = static_cast<int>(a.table.dim);
  for (int64_t i = grid_warp(); i < count; i += grid_warps()) {
    const int64_t id = a.rows[i];
    const int t = a.table.ranges.tier_of(id);
    const CodedTier& tier = a.table.tiers[t];
    const uint8_t* row = a.table.row(t, id);
    const int width = dim / tier.subspaces;
    for (int c = lane_index(); c < dim; c += kWarpSize) {
      const int code = unpack_code(row, c / width, tier.bits);
      a.out.row(i)[c] = rounded<T>(tier.codebook[static_cast<int64_t>(code) * dim + c]);
    }
  }
}

}  // namespace mgqe

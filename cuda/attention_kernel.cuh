// Causal self-attention within ragged sequences, in tiles of 32 queries x 32 keys of one head: what
// forward and backward share, and the forward. The width of a head is a template parameter;
// attention_any_kernel.cuh takes every other width.
//
// A tile's scores are spread over the block so that the 8 lanes of one row group hold whole rows:
// a row's maximum and sum are a butterfly over them, and what a warp writes to the weight tile only
// that warp reads.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/backend.hpp"

namespace mgqe {

inline constexpr int kAttentionTile = 32;
inline constexpr int kAttentionThreads = 64;
inline constexpr int kScorePatch = 4;  // a thread has kScorePatch x kScorePatch of the scores
inline constexpr int kColumnLanes = kAttentionTile / kScorePatch;
inline constexpr int kRowLanes = kWarpSize / kColumnLanes;
static_assert(kAttentionThreads / kColumnLanes * kScorePatch == kAttentionTile);
/// Tiles are row-major. Four floats of padding: the vectors that eight lanes read at one column of
/// eight rows then cover all 32 banks once.
inline constexpr int kTilePadding = 4;
inline constexpr int kWeightStride = kAttentionTile + kTilePadding;
inline constexpr int kWeightTile = kAttentionTile * kWeightStride;
template <int kWidth>
inline constexpr int kRowTile = kAttentionTile*(kWidth + kTilePadding);

/// Which of a batch's sequences a block works on.
struct SequenceSpan {
  int64_t first;   // token
  int64_t length;  // tokens

  __device__ SequenceSpan(const Sequences& sequences, int64_t b)
      : first(sequences.offsets[b]), length(sequences.offsets[b + 1] - first) {}
};

/// What dropout multiplies the attention weights of one head with.
class WeightDropout {
 public:
  __device__ WeightDropout(Dropout dropout, View<const StepState> state, int64_t longest, int heads)
      : rate_(dropout.rate),
        kept_(1.0f / (1.0f - dropout.rate)),
        longest_(longest),
        first_row_(dropout.first_row * heads) {
    if (rate_ > 0.0f) step_key_ = dropout_step_key(dropout.key, state[0].step);
  }
  /// row: token of the query * heads + head; key: token's place in the sequence.
  __device__ float operator()(int64_t row, int64_t key) const {
    if (rate_ <= 0.0f) return 1.0f;
    const uint64_t element = static_cast<uint64_t>((first_row_ + row) * longest_ + key);
    return dropout_keeps(step_key_, element, rate_) ? kept_ : 0.0f;
  }

 private:
  float rate_, kept_;
  int64_t longest_;
  int64_t first_row_;  // of this rank, in rows of the whole batch
  uint64_t step_key_ = 0;
};

/// The rows and columns of a tile that a thread holds.
struct TilePlace {
  int first_row = static_cast<int>(threadIdx.x) / kWarpSize * kRowLanes * kScorePatch +
                  lane_index() / kColumnLanes;
  int column_lane = lane_index() % kColumnLanes;

  __device__ int row(int i) const { return first_row + kRowLanes * i; }
  __device__ int column(int j) const { return column_lane + kColumnLanes * j; }
};

/// tile (32, kWidth): rows [first, first + 32) of x (T, d) in the head's columns; zeros from row
/// `end` on, so that a weight of 0 meets no stray NaN.
template <int kWidth>
__device__ inline void load_rows(View<const float> x, int64_t first, int64_t end, int head,
                                 float* tile) {
  using Vector = FloatVector<4>;
  constexpr int kVectors = kWidth / 4;
  for (int t = static_cast<int>(threadIdx.x); t < kAttentionTile * kVectors;
       t += kAttentionThreads) {
    const int r = t / kVectors, c = t % kVectors * 4;
    Vector value{};
    if (first + r < end)
      value = *reinterpret_cast<const Vector*>(x.row(first + r) + head * kWidth + c);
    *reinterpret_cast<Vector*>(tile + r * (kWidth + kTilePadding) + c) = value;
  }
}

/// products[i][j] = rows[row(i)] . columns[column(j)]; both tiles (32, kWidth).
template <int kWidth>
__device__ inline void tile_products(const TilePlace& place, const float* rows,
                                     const float* columns,
                                     float (&products)[kScorePatch][kScorePatch]) {
  using Vector = FloatVector<4>;
  constexpr int kStride = kWidth + kTilePadding;
  MGQE_UNROLL
  for (int i = 0; i < kScorePatch; ++i) {
    MGQE_UNROLL
    for (int j = 0; j < kScorePatch; ++j) products[i][j] = 0.0f;
  }
  for (int c = 0; c < kWidth; c += 4) {
    Vector a[kScorePatch], b[kScorePatch];
    MGQE_UNROLL
    for (int i = 0; i < kScorePatch; ++i) {
      a[i] = *reinterpret_cast<const Vector*>(rows + place.row(i) * kStride + c);
      b[i] = *reinterpret_cast<const Vector*>(columns + place.column(i) * kStride + c);
    }
    MGQE_UNROLL
    for (int e = 0; e < 4; ++e) {
      MGQE_UNROLL
      for (int i = 0; i < kScorePatch; ++i) {
        MGQE_UNROLL
        for (int j = 0; j < kScorePatch; ++j)
          products[i][j] = fmaf(a[i].x[e], b[j].x[e], products[i][j]);
      }
    }
  }
}

/// A thread's part of 32 result rows of a head: kWidth / 8 columns of each of its rows, in vectors.
template <int kWidth>
struct RowSums {
  static constexpr int kColumns = kWidth / kColumnLanes;
  static constexpr int kVector = kColumns < 4 ? kColumns : 4;
  static constexpr int kVectors = kColumns / kVector;
  using Vector = FloatVector<kVector>;

  float x[kScorePatch][kColumns] = {};

  /// First column of the thread's m-th vector.
  __device__ static int column(const TilePlace& place, int m) {
    return (place.column_lane + kColumnLanes * m) * kVector;
  }
  /// += weights (32, 32) times tile (32, kWidth).
  __device__ void add(const TilePlace& place, const float* weights, const float* tile) {
    for (int k = 0; k < kAttentionTile; k += 4) {
      FloatVector<4> w[kScorePatch];
      MGQE_UNROLL
      for (int i = 0; i < kScorePatch; ++i)
        w[i] = *reinterpret_cast<const FloatVector<4>*>(weights + place.row(i) * kWeightStride + k);
      MGQE_UNROLL
      for (int e = 0; e < 4; ++e) {
        MGQE_UNROLL
        for (int m = 0; m < kVectors; ++m) {
          const Vector value = *reinterpret_cast<const Vector*>(
              tile + (k + e) * (kWidth + kTilePadding) + column(place, m));
          MGQE_UNROLL
          for (int i = 0; i < kScorePatch; ++i) {
            MGQE_UNROLL
            for (int c = 0; c < kVector; ++c)
              x[i][m * kVector + c] = fmaf(w[i].x[e], value.x[c], x[i][m * kVector + c]);
          }
        }
      }
    }
  }
  /// Row i times `scale` to the head's columns of a row (d) of the result.
  __device__ void store(const TilePlace& place, int i, float scale, float* row) const {
    MGQE_UNROLL
    for (int m = 0; m < kVectors; ++m) {
      Vector value;
      MGQE_UNROLL
      for (int c = 0; c < kVector; ++c) value.x[c] = x[i][m * kVector + c] * scale;
      *reinterpret_cast<Vector*>(row + column(place, m)) = value;
    }
  }
};

/// 1 / sqrt(width of a head).
__device__ inline float score_scale(int64_t width) {
  return 1.0f / sqrtf(static_cast<float>(width));
}

/// Block (sequence, tile of queries, head), the last tile, which has the most keys, first. Walks
/// the tiles of keys with a running maximum and sum a row.
template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_kernel(AttentionInput input, Sequences sequences, Dropout dropout,
                     View<const StepState> state, View<float> out, View<float> log_sums) {
  MGQE_SHARED_ARRAY(float, queries, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, keys, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, values, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, weights, kWeightTile);
  const SequenceSpan span(sequences, blockIdx.x);
  const int64_t first_query = static_cast<int64_t>(gridDim.y - 1 - blockIdx.y) * kAttentionTile;
  if (first_query >= span.length) return;
  const int head = static_cast<int>(blockIdx.z);
  const TilePlace place;
  const WeightDropout weight_dropout(dropout, state, sequences.longest, input.heads);
  const float scale = score_scale(kWidth);
  const int64_t end = span.first + span.length;

  load_rows<kWidth>(input.q, span.first + first_query, end, head, queries);
  RowSums<kWidth> sums;
  float row_max[kScorePatch], row_sum[kScorePatch];  // the sum: of this lane's columns
  for (int i = 0; i < kScorePatch; ++i) row_max[i] = -INFINITY, row_sum[i] = 0.0f;
  const int64_t end_key = min(first_query + kAttentionTile, span.length);
  for (int64_t first_key = 0; first_key < end_key; first_key += kAttentionTile) {
    __syncthreads();  // the last tile is read
    load_rows<kWidth>(input.k, span.first + first_key, end, head, keys);
    load_rows<kWidth>(input.v, span.first + first_key, end, head, values);
    __syncthreads();
    float scores[kScorePatch][kScorePatch];
    tile_products<kWidth>(place, queries, keys, scores);
    MGQE_UNROLL
    for (int i = 0; i < kScorePatch; ++i) {
      const int64_t query = first_query + place.row(i);
      float highest = row_max[i];
      MGQE_UNROLL
      for (int j = 0; j < kScorePatch; ++j) {
        const bool later = first_key + place.column(j) > query;
        scores[i][j] = later ? -INFINITY : scores[i][j] * scale;
        highest = fmaxf(highest, scores[i][j]);
      }
      highest = warp_max<kColumnLanes>(highest);
      const float rescale = expf(row_max[i] - highest);
      row_max[i] = highest;
      row_sum[i] *= rescale;
      MGQE_UNROLL
      for (int c = 0; c < RowSums<kWidth>::kColumns; ++c) sums.x[i][c] *= rescale;
      const int64_t row = (span.first + query) * input.heads + head;
      MGQE_UNROLL
      for (int j = 0; j < kScorePatch; ++j) {
        const float weight = expf(scores[i][j] - highest);
        row_sum[i] += weight;
        weights[place.row(i) * kWeightStride + place.column(j)] =
            weight * weight_dropout(row, first_key + place.column(j));
      }
    }
    __syncwarp();
    sums.add(place, weights, values);
  }
  MGQE_UNROLL
  for (int i = 0; i < kScorePatch; ++i) {
    const float sum = warp_sum<kColumnLanes>(row_sum[i]);
    const int64_t query = first_query + place.row(i), t = span.first + query;
    if (query >= span.length) continue;
    sums.store(place, i, 1.0f / sum, out.row(t) + head * kWidth);
    if (place.column_lane == 0) log_sums.row(t)[head] = row_max[i] + logf(sum);
  }
}

}  // namespace mgqe

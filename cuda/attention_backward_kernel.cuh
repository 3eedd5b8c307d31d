// Gradients of attention_kernel.cuh. With P the softmax, m what dropout multiplies it with and
// G = out_gradient, of one head and query t:
//   dP_s = m_s G . v_s,  D = G . out = sum over s of P_s dP_s,  dS_s = P_s (dP_s - D),
//   dq = scale * sum over s of dS_s k_s,  dk_s += scale * dS_s q,  dv_s += m_s P_s G.
// P is computed again from log_sums. Queries and keys have a kernel each, so that every gradient is
// summed in order by one thread.
#pragma once

#include "cuda/attention_kernel.cuh"

namespace mgqe {

struct AttentionBackwardArguments {
  AttentionInput input;
  Sequences sequences;
  Dropout dropout;
  View<const StepState> state;
  View<const float> out, log_sums, out_gradient;
  AttentionGradients gradients;
  View<float>
      row_dots;  // (T, heads) D; the kernel of the queries writes it, that of the keys reads
};

/// gradients.q and row_dots. Block (sequence, tile of queries, head), the last tile first.
template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_query_gradient_kernel(AttentionBackwardArguments a) {
  using Sums = RowSums<kWidth>;
  MGQE_SHARED_ARRAY(float, queries, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, out_gradients, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, keys, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, values, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, weights, kWeightTile);
  const SequenceSpan span(a.sequences, blockIdx.x);
  const int64_t first_query = static_cast<int64_t>(gridDim.y - 1 - blockIdx.y) * kAttentionTile;
  if (first_query >= span.length) return;
  const int head = static_cast<int>(blockIdx.z);
  const TilePlace place;
  const WeightDropout weight_dropout(a.dropout, a.state, a.sequences.longest, a.input.heads);
  const float scale = score_scale(kWidth);
  const int64_t end = span.first + span.length;

  load_rows<kWidth>(a.input.q, span.first + first_query, end, head, queries);
  load_rows<kWidth>(a.out_gradient, span.first + first_query, end, head, out_gradients);
  float log_sum[kScorePatch], dot[kScorePatch];
  MGQE_UNROLL
  for (int i = 0; i < kScorePatch; ++i) {
    const int64_t query = first_query + place.row(i), t = span.first + query;
    log_sum[i] = dot[i] = 0.0f;
    if (query < span.length) {
      const float* o = a.out.row(t) + head * kWidth;
      const float* g = a.out_gradient.row(t) + head * kWidth;
      MGQE_UNROLL
      for (int c = 0; c < Sums::kColumns; ++c)
        dot[i] = fmaf(g[place.column_lane + kColumnLanes * c],
                      o[place.column_lane + kColumnLanes * c], dot[i]);
      log_sum[i] = a.log_sums.row(t)[head];
    }
    dot[i] = warp_sum<kColumnLanes>(dot[i]);
    if (query < span.length && place.column_lane == 0) a.row_dots.row(t)[head] = dot[i];
  }

  Sums sums;
  const int64_t end_key = min(first_query + kAttentionTile, span.length);
  for (int64_t first_key = 0; first_key < end_key; first_key += kAttentionTile) {
    __syncthreads();  // the last tile is read
    load_rows<kWidth>(a.input.k, span.first + first_key, end, head, keys);
    load_rows<kWidth>(a.input.v, span.first + first_key, end, head, values);
    __syncthreads();
    float scores[kScorePatch][kScorePatch], weight_gradients[kScorePatch][kScorePatch];
    tile_products<kWidth>(place, queries, keys, scores);
    tile_products<kWidth>(place, out_gradients, values, weight_gradients);
    MGQE_UNROLL
    for (int i = 0; i < kScorePatch; ++i) {
      const int64_t query = first_query + place.row(i);
      const int64_t row = (span.first + query) * a.input.heads + head;
      MGQE_UNROLL
      for (int j = 0; j < kScorePatch; ++j) {
        const int64_t key = first_key + place.column(j);
        const float weight = key > query ? 0.0f : expf(scores[i][j] * scale - log_sum[i]);
        weights[place.row(i) * kWeightStride + place.column(j)] =
            weight * (weight_gradients[i][j] * weight_dropout(row, key) - dot[i]);
      }
    }
    __syncwarp();
    sums.add(place, weights, keys);
  }
  MGQE_UNROLL
  for (int i = 0; i < kScorePatch; ++i) {
    const int64_t query = first_query + place.row(i);
    if (query < span.length)
      sums.store(place, i, scale, a.gradients.q.row(span.first + query) + head * kWidth);
  }
}

/// gradients.k and gradients.v. Block (sequence, tile of keys, head), the first tile, which has the
/// most queries, first. Rows of the score tiles are keys here, columns queries.
template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_key_gradient_kernel(AttentionBackwardArguments a) {
  MGQE_SHARED_ARRAY(float, keys, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, values, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, queries, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, out_gradients, kRowTile<kWidth>);
  MGQE_SHARED_ARRAY(float, weights, kWeightTile);
  MGQE_SHARED_ARRAY(float, score_gradients, kWeightTile);
  const SequenceSpan span(a.sequences, blockIdx.x);
  const int64_t first_key = static_cast<int64_t>(blockIdx.y) * kAttentionTile;
  if (first_key >= span.length) return;
  const int head = static_cast<int>(blockIdx.z);
  const TilePlace place;
  const WeightDropout weight_dropout(a.dropout, a.state, a.sequences.longest, a.input.heads);
  const float scale = score_scale(kWidth);
  const int64_t end = span.first + span.length;

  load_rows<kWidth>(a.input.k, span.first + first_key, end, head, keys);
  load_rows<kWidth>(a.input.v, span.first + first_key, end, head, values);
  RowSums<kWidth> key_sums, value_sums;
  for (int64_t first_query = first_key; first_query < span.length; first_query += kAttentionTile) {
    __syncthreads();  // the last tile is read
    load_rows<kWidth>(a.input.q, span.first + first_query, end, head, queries);
    load_rows<kWidth>(a.out_gradient, span.first + first_query, end, head, out_gradients);
    __syncthreads();
    float scores[kScorePatch][kScorePatch], weight_gradients[kScorePatch][kScorePatch];
    tile_products<kWidth>(place, keys, queries, scores);
    tile_products<kWidth>(place, values, out_gradients, weight_gradients);
    MGQE_UNROLL
    for (int j = 0; j < kScorePatch; ++j) {
      const int64_t query = first_query + place.column(j);
      const int64_t row = (span.first + query) * a.input.heads + head;
      const bool live = query < span.length;
      const float log_sum = live ? a.log_sums[row] : 0.0f;
      const float dot = live ? a.row_dots[row] : 0.0f;
      MGQE_UNROLL
      for (int i = 0; i < kScorePatch; ++i) {
        const int64_t key = first_key + place.row(i);
        const bool reads = live && key <= query;
        const float weight = reads ? expf(scores[i][j] * scale - log_sum) : 0.0f;
        const float factor = weight_dropout(row, key);
        const int at = place.row(i) * kWeightStride + place.column(j);
        weights[at] = weight * factor;
        score_gradients[at] = weight * (weight_gradients[i][j] * factor - dot);
      }
    }
    __syncwarp();
    value_sums.add(place, weights, out_gradients);
    key_sums.add(place, score_gradients, queries);
  }
  MGQE_UNROLL
  for (int i = 0; i < kScorePatch; ++i) {
    const int64_t key = first_key + place.row(i), t = span.first + key;
    if (key >= span.length) continue;
    key_sums.store(place, i, scale, a.gradients.k.row(t) + head * kWidth);
    value_sums.store(place, i, 1.0f, a.gradients.v.row(t) + head * kWidth);
  }
}

}  // namespace mgqe

// Attention and its gradients for heads of any width: a warp per token, the other side of a product
// 32 tokens at a time, a lane each for the scores and a lane a column for the sums, which wait in
// global memory. Formulas as in attention_kernel.cuh and attention_backward_kernel.cuh.
#pragma once

#include "cuda/attention_backward_kernel.cuh"

namespace mgqe {

inline constexpr int kAnyWidthThreads = 128;
inline constexpr int kAnyWidthTokens = kAnyWidthThreads / kWarpSize;  // of a block

/// One head of one token of one sequence; block (sequence, group of tokens, head).
struct HeadOfToken {
  SequenceSpan span;
  int head = static_cast<int>(blockIdx.z);
  int64_t token;  // its place in the sequence
  int64_t width;  // of a head

  __device__ HeadOfToken(const AttentionInput& input, const Sequences& sequences)
      : span(sequences, blockIdx.x),
        token(static_cast<int64_t>(blockIdx.y) * kAnyWidthTokens + threadIdx.x / kWarpSize),
        width(input.q.cols / input.heads) {}
  /// One head of the last token of a sequence.
  __device__ HeadOfToken(const AttentionInput& input, const Sequences& sequences, int64_t sequence,
                         int head)
      : span(sequences, sequence),
        head(head),
        token(span.length - 1),
        width(input.q.cols / input.heads) {}

  /// The head's columns of token s of the sequence.
  template <class T>
  __device__ T* at(View<T> x, int64_t s) const {
    return x.row(span.first + s) + head * width;
  }
};

__device__ inline float dot(const float* x, const float* y, int64_t n) {
  float sum = 0.0f;
  for (int64_t c = 0; c < n; ++c) sum = fmaf(x[c], y[c], sum);
  return sum;
}

/// sums[c] = rescale * sums[c] + sum over lanes l < count of that lane's weight * x[s + l][c].
__device__ inline void add_lane_rows(const HeadOfToken& self, float weight, int count,
                                     View<const float> x, int64_t s, float rescale, float* sums) {
  for (int64_t base = 0; base < self.width; base += kWarpSize) {
    const int64_t c = base + lane_index();
    float sum = c < self.width ? sums[c] * rescale : 0.0f;
    for (int l = 0; l < count; ++l) {
      const float w = __shfl_sync(kAllLanes, weight, l);
      if (c < self.width) sum = fmaf(w, self.at(x, s + l)[c], sum);
    }
    if (c < self.width) sums[c] = sum;
  }
}

__device__ inline void scale_row(const HeadOfToken& self, float scale, float* sums) {
  for (int64_t c = lane_index(); c < self.width; c += kWarpSize) sums[c] *= scale;
}
__device__ inline void clear_row(const HeadOfToken& self, float* sums) {
  for (int64_t c = lane_index(); c < self.width; c += kWarpSize) sums[c] = 0.0f;
}

/// sums (width) = what the token's query sees; factor(key): dropout's of that weight. Returns the
/// log of the softmax's denominator. A warp.
template <class Factor>
__device__ inline float attend(const HeadOfToken& self, const AttentionInput& input,
                               const float* query, const Factor& factor, float* sums) {
  const float scale = score_scale(self.width);
  float row_max = -INFINITY, row_sum = 0.0f;
  clear_row(self, sums);
  for (int64_t first_key = 0; first_key <= self.token; first_key += kWarpSize) {
    const int64_t key = first_key + lane_index();
    const float score =
        key > self.token ? -INFINITY : scale * dot(query, self.at(input.k, key), self.width);
    const float highest = warp_max(fmaxf(row_max, score));
    const float rescale = expf(row_max - highest);
    const float weight = expf(score - highest);
    row_max = highest;
    row_sum = row_sum * rescale + weight;
    const int count =
        static_cast<int>(min(self.token + 1 - first_key, static_cast<int64_t>(kWarpSize)));
    add_lane_rows(self, weight * factor(key), count, input.v, first_key, rescale, sums);
  }
  row_sum = warp_sum(row_sum);
  scale_row(self, 1.0f / row_sum, sums);
  return row_max + logf(row_sum);
}

__global__ void __launch_bounds__(kAnyWidthThreads)
    attention_any_kernel(AttentionInput input, Sequences sequences, Dropout dropout,
                         View<const StepState> state, View<float> out, View<float> log_sums) {
  const HeadOfToken self(input, sequences);
  if (self.token >= self.span.length) return;
  const WeightDropout weight_dropout(dropout, state, sequences.longest, input.heads);
  const int64_t row = (self.span.first + self.token) * input.heads + self.head;
  const float log_sum = attend(
      self, input, self.at(input.q, self.token),
      [&](int64_t key) { return weight_dropout(row, key); }, self.at(out, self.token));
  if (lane_index() == 0) log_sums[row] = log_sum;
}

/// Of each sequence's last token, whose query and out are row `sequence` of q and out: a warp a
/// sequence and head.
__global__ void __launch_bounds__(kAnyWidthThreads)
    attention_of_last_kernel(AttentionInput input, Sequences sequences, View<float> out) {
  for (int64_t i = grid_warp(); i < out.rows * input.heads; i += grid_warps()) {
    const int64_t sequence = i / input.heads;
    const HeadOfToken self(input, sequences, sequence, static_cast<int>(i % input.heads));
    const int64_t column = self.head * self.width;
    float* const sums = out.row(sequence) + column;
    if (self.span.length == 0)
      clear_row(self, sums);
    else
      attend(
          self, input, input.q.row(sequence) + column, [](int64_t) { return 1.0f; }, sums);
  }
}

/// gradients.q and row_dots.
__global__ void __launch_bounds__(kAnyWidthThreads)
    attention_any_query_gradient_kernel(AttentionBackwardArguments a) {
  const HeadOfToken self(a.input, a.sequences);
  const int64_t query = self.token;
  if (query >= self.span.length) return;
  const WeightDropout weight_dropout(a.dropout, a.state, a.sequences.longest, a.input.heads);
  const int64_t row = (self.span.first + query) * a.input.heads + self.head;
  const float scale = score_scale(self.width);
  const float* const g = self.at(a.out_gradient, query);
  float row_dot = 0.0f;
  for (int64_t c = lane_index(); c < self.width; c += kWarpSize)
    row_dot = fmaf(g[c], self.at(a.out, query)[c], row_dot);
  row_dot = warp_sum(row_dot);
  if (lane_index() == 0) a.row_dots[row] = row_dot;
  float* const sums = self.at(a.gradients.q, query);
  clear_row(self, sums);
  for (int64_t first_key = 0; first_key <= query; first_key += kWarpSize) {
    const int64_t key = first_key + lane_index();
    float score_gradient = 0.0f;
    if (key <= query) {
      const float score =
          scale * dot(self.at(a.input.q, query), self.at(a.input.k, key), self.width);
      const float weight_gradient = dot(g, self.at(a.input.v, key), self.width);
      score_gradient =
          expf(score - a.log_sums[row]) * (weight_gradient * weight_dropout(row, key) - row_dot);
    }
    const int count = static_cast<int>(min(query + 1 - first_key, static_cast<int64_t>(kWarpSize)));
    add_lane_rows(self, score_gradient, count, a.input.k, first_key, 1.0f, sums);
  }
  scale_row(self, scale, sums);
}

/// gradients.k and gradients.v.
__global__ void __launch_bounds__(kAnyWidthThreads)
    attention_any_key_gradient_kernel(AttentionBackwardArguments a) {
  const HeadOfToken self(a.input, a.sequences);
  const int64_t key = self.token, length = self.span.length;
  if (key >= length) return;
  const WeightDropout weight_dropout(a.dropout, a.state, a.sequences.longest, a.input.heads);
  const float scale = score_scale(self.width);
  float* const key_sums = self.at(a.gradients.k, key);
  float* const value_sums = self.at(a.gradients.v, key);
  clear_row(self, key_sums);
  clear_row(self, value_sums);
  for (int64_t first_query = key; first_query < length; first_query += kWarpSize) {
    const int64_t query = first_query + lane_index();
    const int64_t row = (self.span.first + query) * a.input.heads + self.head;
    float weight = 0.0f, score_gradient = 0.0f;
    if (query < length) {
      const float score =
          scale * dot(self.at(a.input.q, query), self.at(a.input.k, key), self.width);
      const float softmax = expf(score - a.log_sums[row]);
      const float factor = weight_dropout(row, key);
      const float weight_gradient =
          dot(self.at(a.out_gradient, query), self.at(a.input.v, key), self.width);
      weight = softmax * factor;
      score_gradient = softmax * (weight_gradient * factor - a.row_dots[row]);
    }
    const int count = static_cast<int>(min(length - first_query, static_cast<int64_t>(kWarpSize)));
    add_lane_rows(self, weight, count, a.out_gradient, first_query, 1.0f, value_sums);
    add_lane_rows(self, score_gradient, count, a.input.q, first_query, 1.0f, key_sums);
  }
  scale_row(self, scale, key_sums);
}

}  // namespace mgqe

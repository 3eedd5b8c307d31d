// Causal self-attention over ragged sequences on the CPU, a (sequence, head) at a time. Queries go
// in blocks whose scores stay in the cache; nothing of size length^2 is stored, and backward
// computes the weights anew from log_sums. Within a block each register tile of queries reads the
// keys up to its own last one, so causality halves the work. Products are fma chains
// (matrix_product-inl.hpp), row sums have 16 fixed lanes, exp is a fixed polynomial: the same bits
// at every instruction level and thread count.
//
// Flops: forward 2, backward 5 products of 2 x (keys seen) x width a query. Any length and width;
// widths (d / heads) that are not a multiple of 16 are slower.
//
// OpenBLAS on blocks of 24 or 48 queries lost: its products took 1.15 times as long as these.
// Blocks of 24 or 96 queries instead of 48 are as fast within 3%.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/attention.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include <cmath>
#include <vector>

#include "host/cpu/attention_task.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/matrix_product-inl.hpp"
#include "host/cpu/runtime/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kQueries = 48;  // of a block: a multiple of kTileRows
// Row sums have kLanes lanes, and rows of scores are padded to whole ones.
constexpr int kParts = kLanes / kProductLanes;
using Part = hn::Vec<ProductTag>;

/// exp(x) to 2 ulp for x up to 80; 0 below -87.
HWY_INLINE Part exponential(Part x) {
  const ProductTag tag;
  const hn::RebindToSigned<ProductTag> integer_tag;
  const auto exponent = hn::NearestInt(hn::Mul(x, hn::Set(tag, 1.44269504f)));
  const auto n = hn::ConvertTo(tag, exponent);
  // x - n ln 2, with ln 2 in two parts; then the Taylor series on |r| <= ln 2 / 2.
  auto r = fused_negative_multiply_add(tag, n, hn::Set(tag, 0.693359375f), x);
  r = fused_negative_multiply_add(tag, n, hn::Set(tag, -2.12194440e-4f), r);
  auto series = hn::Set(tag, 1.0f / 5040.0f);
  for (const float coefficient :
       {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f})
    series = fused_multiply_add(tag, series, r, hn::Set(tag, coefficient));
  const auto power =
      hn::BitCast(tag, hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(integer_tag, 127))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(tag, -87.0f)), hn::Mul(series, power));
}

/// Sum of kLanes lanes, in a fixed tree.
HWY_INLINE float sum_of(const Part (&parts)[kParts]) {
  const ProductTag tag;
  HWY_ALIGN float lanes[kLanes];
  for (int p = 0; p < kParts; ++p) hn::Store(parts[p], tag, lanes + p * kProductLanes);
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  return lanes[0];
}

/// to (width, stride) = the transpose of from (length, width), zeros from length to stride.
inline void transpose(const float* from, int64_t from_row, int64_t length, int64_t width,
                      float* HWY_RESTRICT to, int64_t stride) {
  for (int64_t s = 0; s < stride; s += kLanes) {
    const int64_t here = std::min<int64_t>(kLanes, length - s);
    const float* HWY_RESTRICT rows = from + s * from_row;
    for (int64_t c = 0; c < width; ++c) {
      float* HWY_RESTRICT lane = to + c * stride + s;
      if (here == kLanes)
        for (int64_t l = 0; l < kLanes; ++l) lane[l] = rows[l * from_row + c];
      else
        for (int64_t l = 0; l < kLanes; ++l) lane[l] = l < here ? rows[l * from_row + c] : 0.0f;
    }
  }
}

/// factors[s] = 1 / (1 - rate) where weight s of a row is kept, else 0.
inline void dropout_factors(StepDropout dropout, uint64_t first_element, int64_t keys,
                            float* HWY_RESTRICT factors) {
  const float kept = 1.0f / (1.0f - dropout.rate);
  for (int64_t s = 0; s < keys; ++s)
    factors[s] =
        dropout_keeps(dropout.step_key, first_element + static_cast<uint64_t>(s), dropout.rate)
            ? kept
            : 0.0f;
}

/// One sequence and head: tokens [first, first + length), columns [column, column + width).
struct Head {
  int64_t first, length, column, width;
  int64_t stride;  // of rows of scores
  int64_t tile;    // queries or keys that share their keys or queries in a product
  float scale;     // of scores
  int64_t head, heads, longest;
  int64_t first_row;  // of the dropout

  Head(const AttentionInput& input, const Sequences& sequences, StepDropout dropout, int64_t index)
      : heads(input.heads), longest(sequences.longest), first_row(dropout.first_row) {
    const int64_t sequence = index / heads;
    head = index % heads;
    first = sequences.offsets[sequence];
    length = sequences.offsets[sequence + 1] - first;
    width = input.q.cols / heads;
    column = head * width;
    stride = whole_lanes(length);
    // A ragged product packs its operand anew each time: then in few large ones.
    tile = width % kLanes == 0 ? kTileRows : kQueries;
    scale = 1.0f / std::sqrt(static_cast<float>(width));
  }
  template <class T>
  T* at(View<T> x, int64_t t) const {
    return x.row(first + t) + column;
  }
  uint64_t first_element(int64_t t) const {
    return static_cast<uint64_t>(((first_row + first + t) * heads + head) * longest);
  }
};

/// Grows to the longest sequence seen, then stays.
struct Scratch {
  float *keys, *values;          // (width, stride): transposed
  float* queries;                // (kQueries, width): scaled
  float *weights, *differences;  // (kQueries, stride): scores, then what becomes of them
  float* factors;                // (stride) of dropout
  float* panel;                  // of multiply

  explicit Scratch(const Head& head) {
    static thread_local std::vector<float> storage;
    const int64_t transposed = head.width * head.stride, block = kQueries * head.stride;
    const int64_t sizes[] = {transposed,
                             transposed,
                             kQueries * head.width,
                             block,
                             block,
                             head.stride,
                             std::max(head.stride, head.width) * kPanelCols};
    float** const parts[] = {&keys, &values, &queries, &weights, &differences, &factors, &panel};
    int64_t total = kLanes;
    for (const int64_t size : sizes) total += whole_lanes(size);
    if (static_cast<int64_t>(storage.size()) < total) storage.resize(static_cast<size_t>(total));
    const size_t misaligned = reinterpret_cast<uintptr_t>(storage.data()) / sizeof(float) % kLanes;
    float* next = storage.data() + (kLanes - misaligned) % kLanes;
    for (int i = 0; i < 7; ++i) {
      *parts[i] = next;
      next += whole_lanes(sizes[i]);
    }
  }
};

/// Queries [first, first + count) of a sequence, a few of which share the keys [0, keys).
struct Tile {
  int64_t row, count, keys;
};
template <class F>
inline void for_each_tile(const Head& head, int64_t first, int64_t rows, const F& f) {
  for (int64_t row = 0; row < rows; row += head.tile) {
    const int64_t count = std::min(head.tile, rows - row);
    f(Tile{row, count, first + row + count});
  }
}

/// queries = scale * rows [first, first + rows) of q.
inline void scale_queries(const Head& head, View<const float> q, int64_t first, int64_t rows,
                          float* HWY_RESTRICT queries) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < head.width; ++c)
      queries[r * head.width + c] = head.scale * head.at(q, first + r)[c];
}

struct RowStats {
  float max, sum;
};
/// Scores [0, keys) become weights exp(score - max), then zeros up to `end`. Returns max and the
/// sum of the weights.
inline RowStats softmax_row(float* HWY_RESTRICT weights, int64_t keys, int64_t end) {
  const ProductTag tag;
  const int64_t padded = whole_lanes(keys);
  std::fill(weights + keys, weights + padded, -INFINITY);
  Part highest = hn::Set(tag, -INFINITY);
  for (int64_t s = 0; s < padded; s += kProductLanes)
    highest = hn::Max(highest, hn::Load(tag, weights + s));
  const Part max = hn::MaxOfLanes(tag, highest);
  Part sums[kParts];
  for (int p = 0; p < kParts; ++p) sums[p] = hn::Zero(tag);
  for (int64_t s = 0; s < padded; s += kLanes)
    for (int p = 0; p < kParts; ++p) {
      float* at = weights + s + p * kProductLanes;
      const Part weight = exponential(hn::Sub(hn::Load(tag, at), max));
      sums[p] = hn::Add(sums[p], weight);
      hn::Store(weight, tag, at);
    }
  std::fill(weights + keys, weights + std::max(end, padded), 0.0f);
  return {hn::GetLane(max), sum_of(sums)};
}

void attention_head(const AttentionTask& task, int64_t index) {
  const Head head(task.input, task.sequences, task.dropout, index);
  if (head.length == 0) return;
  const Scratch scratch(head);
  const int64_t d = task.out.cols, stride = head.stride;
  transpose(head.at(task.input.k, 0), d, head.length, head.width, scratch.keys, stride);
  const Strided keys{scratch.keys, stride, 1}, values{head.at(task.input.v, 0), d, 1};
  for (int64_t first = 0; first < head.length; first += kQueries) {
    const int64_t rows = std::min(kQueries, head.length - first);
    scale_queries(head, task.input.q, first, rows, scratch.queries);
    for_each_tile(head, first, rows, [&](Tile tile) {
      multiply(tile.count, whole_lanes(tile.keys), head.width,
               Strided{scratch.queries + tile.row * head.width, head.width, 1}, keys,
               scratch.weights + tile.row * stride, stride, false, scratch.panel);
    });
    float inverse_sums[kQueries];
    for (int64_t r = 0; r < rows; ++r) {
      float* HWY_RESTRICT weights = scratch.weights + r * stride;
      const int64_t t = first + r;
      const RowStats row = softmax_row(weights, t + 1, whole_lanes(first + rows));
      inverse_sums[r] = 1.0f / row.sum;
      task.log_sums.row(head.first + t)[head.head] =
          row.max + static_cast<float>(std::log(static_cast<double>(row.sum)));
      if (task.dropout.rate == 0.0f) continue;
      dropout_factors(task.dropout, head.first_element(t), t + 1, scratch.factors);
      for (int64_t s = 0; s <= t; ++s) weights[s] *= scratch.factors[s];
    }
    for_each_tile(head, first, rows, [&](Tile tile) {
      multiply(tile.count, head.width, tile.keys,
               Strided{scratch.weights + tile.row * stride, stride, 1}, values,
               head.at(task.out, first + tile.row), d, false, scratch.panel);
    });
    for (int64_t r = 0; r < rows; ++r) {
      float* HWY_RESTRICT out = head.at(task.out, first + r);
      for (int64_t c = 0; c < head.width; ++c) out[c] *= inverse_sums[r];
    }
  }
}

/// The same steps for the last query alone, which is row `sequence` of q and out.
void attention_head_of_last(const AttentionTask& task, int64_t index) {
  const Head head(task.input, task.sequences, task.dropout, index);
  const int64_t sequence = index / head.heads, stride = head.stride;
  float* HWY_RESTRICT out = task.out.row(sequence) + head.column;
  if (head.length == 0) return std::fill_n(out, head.width, 0.0f), void();
  const Scratch scratch(head);
  transpose(head.at(task.input.k, 0), task.input.k.cols, head.length, head.width, scratch.keys,
            stride);
  const float* query = task.input.q.row(sequence) + head.column;
  for (int64_t c = 0; c < head.width; ++c) scratch.queries[c] = head.scale * query[c];
  multiply(1, stride, head.width, Strided{scratch.queries, head.width, 1},
           Strided{scratch.keys, stride, 1}, scratch.weights, stride, false, scratch.panel);
  const float inverse_sum = 1.0f / softmax_row(scratch.weights, head.length, stride).sum;
  multiply(1, head.width, head.length, Strided{scratch.weights, stride, 1},
           Strided{head.at(task.input.v, 0), task.input.v.cols, 1}, out, task.out.cols, false,
           scratch.panel);
  for (int64_t c = 0; c < head.width; ++c) out[c] *= inverse_sum;
}

/// From scores and weight_gradients = out_gradient . v, with w the softmax and f the factors of
/// dropout: scores become w f, weight_gradients those of the scores,
/// w (f g - sum_s w_s f_s g_s). Zeros from keys to `end`.
inline void softmax_row_backward(float* HWY_RESTRICT scores, float* HWY_RESTRICT weight_gradients,
                                 const float* HWY_RESTRICT factors, float log_sum, int64_t keys,
                                 int64_t end) {
  const ProductTag tag;
  const int64_t padded = whole_lanes(keys);
  std::fill(scores + keys, scores + padded, -INFINITY);
  std::fill(weight_gradients + keys, weight_gradients + padded, 0.0f);
  Part sums[kParts];
  for (int p = 0; p < kParts; ++p) sums[p] = hn::Zero(tag);
  for (int64_t s = 0; s < padded; s += kLanes)
    for (int p = 0; p < kParts; ++p) {
      const int64_t at = s + p * kProductLanes;
      const Part weight = exponential(hn::Sub(hn::Load(tag, scores + at), hn::Set(tag, log_sum)));
      const Part gradient = hn::Mul(hn::Mul(weight, hn::Load(tag, factors + at)),
                                    hn::Load(tag, weight_gradients + at));
      sums[p] = hn::Add(sums[p], gradient);
      hn::Store(weight, tag, scores + at);
      hn::Store(gradient, tag, weight_gradients + at);
    }
  const Part sum = hn::Set(tag, sum_of(sums));
  for (int64_t s = 0; s < padded; s += kProductLanes) {
    const Part weight = hn::Load(tag, scores + s);
    hn::Store(fused_negative_multiply_add(tag, weight, sum, hn::Load(tag, weight_gradients + s)),
              tag, weight_gradients + s);
    hn::Store(hn::Mul(weight, hn::Load(tag, factors + s)), tag, scores + s);
  }
  std::fill(scores + keys, scores + std::max(end, padded), 0.0f);
  std::fill(weight_gradients + keys, weight_gradients + std::max(end, padded), 0.0f);
}

/// Adds one block's share to the gradients of keys and values.
inline void add_key_gradients(const AttentionBackwardTask& task, const Head& head,
                              const Scratch& scratch, int64_t first, int64_t rows) {
  const int64_t d = task.out_gradient.cols, stride = head.stride, keys = first + rows;
  for (int64_t s = 0; s < keys; s += head.tile) {
    const int64_t count = std::min(head.tile, keys - s);
    const int64_t begin = std::max<int64_t>(0, s - first);  // queries before key s do not see it
    const int64_t place = begin * stride + s;
    multiply(count, head.width, rows - begin, Strided{scratch.differences + place, 1, stride},
             Strided{scratch.queries + begin * head.width, head.width, 1},
             head.at(task.gradients.k, s), d, true, scratch.panel);
    multiply(count, head.width, rows - begin, Strided{scratch.weights + place, 1, stride},
             Strided{head.at(task.out_gradient, first + begin), d, 1}, head.at(task.gradients.v, s),
             d, true, scratch.panel);
  }
}

void attention_backward_head(const AttentionBackwardTask& task, int64_t index) {
  const Head head(task.input, task.sequences, task.dropout, index);
  if (head.length == 0) return;
  const Scratch scratch(head);
  const int64_t d = task.out_gradient.cols, stride = head.stride, width = head.width;
  transpose(head.at(task.input.k, 0), d, head.length, width, scratch.keys, stride);
  transpose(head.at(task.input.v, 0), d, head.length, width, scratch.values, stride);
  for (int64_t s = 0; s < head.length; ++s) {
    std::fill_n(head.at(task.gradients.k, s), width, 0.0f);
    std::fill_n(head.at(task.gradients.v, s), width, 0.0f);
  }
  std::fill_n(scratch.factors, stride, 1.0f);
  const Strided transposed_keys{scratch.keys, stride, 1}, keys{head.at(task.input.k, 0), d, 1};
  const Strided transposed_values{scratch.values, stride, 1};
  for (int64_t first = 0; first < head.length; first += kQueries) {
    const int64_t rows = std::min(kQueries, head.length - first);
    scale_queries(head, task.input.q, first, rows, scratch.queries);
    for_each_tile(head, first, rows, [&](Tile tile) {
      const int64_t n = whole_lanes(tile.keys), place = tile.row * stride;
      multiply(tile.count, n, width, Strided{scratch.queries + tile.row * width, width, 1},
               transposed_keys, scratch.weights + place, stride, false, scratch.panel);
      multiply(tile.count, n, width, Strided{head.at(task.out_gradient, first + tile.row), d, 1},
               transposed_values, scratch.differences + place, stride, false, scratch.panel);
    });
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = first + r;
      if (task.dropout.rate > 0.0f)
        dropout_factors(task.dropout, head.first_element(t), t + 1, scratch.factors);
      softmax_row_backward(scratch.weights + r * stride, scratch.differences + r * stride,
                           scratch.factors, task.log_sums.row(head.first + t)[head.head], t + 1,
                           whole_lanes(first + rows));
    }
    for_each_tile(head, first, rows, [&](Tile tile) {
      multiply(tile.count, width, tile.keys,
               Strided{scratch.differences + tile.row * stride, stride, 1}, keys,
               head.at(task.gradients.q, first + tile.row), d, false, scratch.panel);
    });
    for (int64_t r = 0; r < rows; ++r) {
      float* HWY_RESTRICT gradient = head.at(task.gradients.q, first + r);
      for (int64_t c = 0; c < width; ++c) gradient[c] *= head.scale;
    }
    add_key_gradients(task, head, scratch, first, rows);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(attention_head);
HWY_EXPORT(attention_head_of_last);
HWY_EXPORT(attention_backward_head);

namespace {

StepDropout step_dropout(Dropout dropout, View<const StepState> state) {
  if (dropout.rate == 0.0f) return {0, 0.0f, 0};
  return {dropout_step_key(dropout.key, state[0].step), dropout.rate, dropout.first_row};
}

/// Calls run(task, index) for every (sequence, head).
template <class Task, class Run>
void for_each_head(const Task& task, const Run& run) {
  MGQE_CHECK(task.input.heads > 0 && task.input.q.cols % task.input.heads == 0, "dimension ",
             task.input.q.cols, ", heads ", task.input.heads);
  const int64_t sequences = task.sequences.offsets.size() - 1;
  parallel_pieces(sequences * task.input.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(task, i);
  });
}

}  // namespace

void CpuBackend::attention(const AttentionInput& input, Sequences sequences, Dropout dropout,
                           View<const StepState> state, View<float> out, View<float> log_sums) {
  for_each_head(AttentionTask{input, sequences, step_dropout(dropout, state), out, log_sums},
                HWY_DYNAMIC_DISPATCH(attention_head));
}

void CpuBackend::attention_of_last(const AttentionInput& input, Sequences sequences,
                                   View<float> out) {
  for_each_head(AttentionTask{input, sequences, {}, out, {}},
                HWY_DYNAMIC_DISPATCH(attention_head_of_last));
}

void CpuBackend::attention_backward(const AttentionInput& input, Sequences sequences,
                                    Dropout dropout, View<const StepState> state, View<const float>,
                                    View<const float> log_sums, View<const float> out_gradient,
                                    const AttentionGradients& gradients) {
  for_each_head(AttentionBackwardTask{input, sequences, step_dropout(dropout, state), log_sums,
                                      out_gradient, gradients},
                HWY_DYNAMIC_DISPATCH(attention_backward_head));
}

}  // namespace mgqe
#endif

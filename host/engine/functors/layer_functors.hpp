// One functor per elementwise formula of the layers, losses and rankings. Called with an index,
// with (row, column) or with a row, as elementwise.hpp says; see functors.hpp.
#pragma once

#include <cmath>

#include "host/engine/backend.hpp"

namespace mgqe {

struct AddBias {
  View<const float> bias;  // (n)
  View<float> x;           // (m, n)
  MGQE_HD void operator()(int64_t r, int64_t c) const { x.row(r)[c] += bias[c]; }
};

struct AddBiasRelu {
  View<const float> bias;  // (n)
  View<float> x;           // (m, n)
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    const float sum = x.row(r)[c] + bias[c];
    x.row(r)[c] = sum < 0.0f ? 0.0f : sum;  // NaN stays NaN
  }
};

struct ReluBackward {
  View<const float> output;
  View<float> gradient;
  MGQE_HD void operator()(int64_t i) const { gradient[i] = output[i] == 0.0f ? 0.0f : gradient[i]; }
};

struct Add {
  View<const float> x, y;
  View<float> out;
  MGQE_HD void operator()(int64_t i) const { out[i] = x[i] + y[i]; }
};

struct Copy {
  View<const float> x;
  View<float> out;
  MGQE_HD void operator()(int64_t i) const { out[i] = x[i]; }
};

/// What dropout makes of x, element i of the rows of an array of `cols` columns.
MGQE_HD float dropped(const Dropout& dropout, const StepState& state, int64_t cols, int64_t i,
                      float x) {
  const uint64_t step_key = dropout_step_key(dropout.key, state.step);
  const float kept = x / (1.0f - dropout.rate);
  const auto element = static_cast<uint64_t>(dropout.first_row * cols + i);
  return dropout_keeps(step_key, element, dropout.rate) ? kept : 0.0f;
}

struct ApplyDropout {
  View<const float> x;
  Dropout dropout;
  View<const StepState> state;
  View<float> out;
  MGQE_HD void operator()(int64_t i) const { out[i] = dropped(dropout, state[0], x.cols, i, x[i]); }
};

struct AddBiasReluDropout {
  View<const float> bias;  // (n)
  Dropout dropout;
  View<const StepState> state;
  View<float> x;  // (m, n)
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    const float sum = x.row(r)[c] + bias[c];
    x.row(r)[c] = dropped(dropout, state[0], x.cols, r * x.cols + c, sum < 0.0f ? 0.0f : sum);
  }
};

struct ReluDropoutBackward {
  View<const float> output;
  float rate;
  View<float> gradient;
  MGQE_HD void operator()(int64_t i) const {
    const float kept = gradient[i] / (1.0f - rate);  // of every cell: no branch, so in lanes
    gradient[i] = output[i] == 0.0f ? 0.0f : kept;
  }
};

struct AddBiasDropoutAdd {
  View<const float> bias;  // (n)
  Dropout dropout;
  View<const StepState> state;
  View<const float> residual;  // (m, n)
  View<float> x;               // (m, n)
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    const float kept = dropped(dropout, state[0], x.cols, r * x.cols + c, x.row(r)[c] + bias[c]);
    x.row(r)[c] = residual.row(r)[c] + kept;
  }
};

struct SequenceInput {
  Lookup items;
  float scale;
  View<const float> positions;   // (max length, d)
  View<const int32_t> position;  // (T)
  View<float> out;               // (T, d)
  MGQE_HD float value(int64_t t, int64_t c) const {
    return fmaf(scale, items.rows.row(items.index[t])[c], positions.row(position[t])[c]);
  }
  MGQE_HD void operator()(int64_t t, int64_t c) const { out.row(t)[c] = value(t, c); }
};

struct SequenceInputDropout {
  SequenceInput input;
  Dropout dropout;
  View<const StepState> state;
  MGQE_HD void operator()(int64_t t, int64_t c) const {
    const int64_t cols = input.out.cols;
    input.out.row(t)[c] = dropped(dropout, state[0], cols, t * cols + c, input.value(t, c));
  }
};

/// Element (p, c): a sequence of n tokens has positions L - n ... L - 1.
struct SumPositions {
  View<const float> x;  // (T, d)
  Sequences sequences;
  View<float> sums;  // (L, d)
  MGQE_HD void operator()(int64_t p, int64_t c) const {
    float sum = 0.0f;
    bool any = false;
    for (int64_t b = 0; b + 1 < sequences.offsets.rows; ++b) {
      const int64_t t = sequences.offsets[b + 1] - (sums.rows - p);
      if (t < sequences.offsets[b]) continue;
      sum = any ? sum + x.row(t)[c] : x.row(t)[c];
      any = true;
    }
    sums.row(p)[c] = sum;
  }
};

/// x . y in fixed lanes, so that it vectorises and has the same bits however wide the vectors are.
MGQE_HD float lane_dot(const float* x, const float* y, int64_t d) {
  constexpr int kLanes = 16;
  float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= d; c += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] = fmaf(x[c + l], y[c + l], lanes[l]);
  if (c < d)
    for (int l = 0; l < kLanes; ++l)  // no lane number that is not a constant: it would spill
      if (c + l < d) lanes[l] = fmaf(x[c + l], y[c + l], lanes[l]);
  for (int l = 0; l < 8; ++l) lanes[l] += lanes[l + 8];
  for (int l = 0; l < 4; ++l) lanes[l] += lanes[l + 4];
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

struct RowDots {
  View<const float> x;  // (T, d)
  Lookup y;
  View<float> out;  // (T)
  MGQE_HD void operator()(int64_t t) const {
    out[t] = lane_dot(x.row(t), y.rows.row(y.index[t]), x.cols);
  }
};

template <bool kAccumulate>
struct RowDotsBackward {
  View<const float> x;  // (T, d)
  Lookup y;
  View<const float> out_gradient;  // (T)
  View<float> x_gradient;          // (T, d)
  View<float> y_gradient;          // (T, d)
  MGQE_HD void operator()(int64_t t, int64_t c) const {
    const float g = out_gradient[t], y_c = y.rows.row(y.index[t])[c];
    float& to = x_gradient.row(t)[c];
    to = kAccumulate ? fmaf(g, y_c, to) : g * y_c;
    y_gradient.row(t)[c] = g * x.row(t)[c];
  }
};

MGQE_HD void bce_with_logit(float z, float y, float scale, float& loss, float& gradient) {
  const float e = expf(-fabsf(z));  // never overflows
  loss = (z > 0.0f ? z : 0.0f) - z * y + log1pf(e);
  const float sigmoid = (z >= 0.0f ? 1.0f : e) / (1.0f + e);
  gradient = scale * (sigmoid - y);
}

struct BceWithLogits {
  View<const float> logits, labels;
  float scale;
  View<float> losses, gradient;
  MGQE_HD void operator()(int64_t b) const {
    bce_with_logit(logits[b], labels[b], scale, losses[b], gradient[b]);
  }
};

struct SquaredLoss {
  View<const float> predictions, targets;
  float scale;
  View<float> losses, gradient;
  MGQE_HD void operator()(int64_t b) const {
    const float difference = predictions[b] - targets[b];
    losses[b] = difference * difference;
    gradient[b] = scale * (2.0f * difference);
  }
};

struct AddItemBiases {
  View<const float> biases;  // (n)
  float mean;
  View<const int32_t> left, right;  // (B)
  View<float> predictions;          // (B)
  MGQE_HD void operator()(int64_t b) const {
    predictions[b] += mean + (biases[left[b]] + biases[right[b]]);
  }
};

struct ScorePairs {
  View<const float> users, rows;  // (M, d)
  View<float> scores;             // (M)
  MGQE_HD void operator()(int64_t m) const {
    scores[m] = ranking_score(users.row(m), rows.row(m), rows.cols);
  }
};

/// Adds how user m's positive stands among the scores of a chunk but its own and those of excluded
/// items.
struct CountScores {
  ScoreQuery query;
  Histories excluded;
  RankCounts counts;
  MGQE_HD void operator()(int64_t m) const {
    const float* row = query.scores.row(m);
    const int32_t positive = query.positives.items[m];
    const float score = query.positives.scores[m];
    int32_t not_better = 0, ties = 0;
    for (int64_t i = 0; i < query.scores.cols; ++i) {
      not_better += row[i] <= score;  // NaN is neither: it counts as better
      ties += row[i] == score;
    }
    int32_t greater = static_cast<int32_t>(query.scores.cols) - not_better;
    if (query.chunk.place(positive) >= 0) {
      greater -= !(score <= score);
      ties -= score == score;
    }
    const int32_t* item = excluded.begin(m);
    for (int64_t i = 0; i < excluded.length(m); ++i) {
      const int64_t place = query.chunk.place(item[i]);
      if (place < 0 || item[i] == positive) continue;
      greater -= !(row[place] <= score);
      ties -= row[place] == score;
    }
    counts.greater[m] += greater;
    counts.ties[m] += ties;
  }
};

/// The same among the candidates of a row; -1 stands for none.
struct CountCandidateScores {
  ScoreQuery query;
  View<const int32_t> candidates;  // (M, C)
  RankCounts counts;
  MGQE_HD void operator()(int64_t m) const {
    const float* row = query.scores.row(m);
    const float score = query.positives.scores[m];
    int32_t greater = 0, ties = 0;
    for (int64_t i = 0; i < candidates.cols; ++i) {
      const int64_t place = query.chunk.place(candidates.row(m)[i]);
      if (place < 0) continue;
      greater += !(row[place] <= score);
      ties += row[place] == score;
    }
    counts.greater[m] += greater;
    counts.ties[m] += ties;
  }
};

}  // namespace mgqe

// Layers of the backbones, forward and backward, and their losses. A backward op takes what its
// forward took or left, and the gradient of the loss by the forward's output.
#pragma once

#include <span>

#include "host/engine/ops/types.hpp"

namespace mgqe {

class LayerOps {
 public:
  virtual ~LayerOps() = default;

  // ---- dense layers -----------------------------------------------------------------------------
  /// out (m, n) = a (m, k) b (k, n), after the transposes the operands ask for; with accumulate,
  /// out += a b.
  virtual void matmul(Operand a, Operand b, View<float> out, bool accumulate = false) = 0;
  /// x (m, n) += bias (n) in every row.
  virtual void add_bias(View<const float> bias, View<float> x) = 0;
  /// The same of several arrays of one shape.
  virtual void add_bias_each(std::span<const BiasedRows> all) {
    for (const BiasedRows& one : all) add_bias(one.bias, one.x);
  }
  /// x (m, n) = max(0, x + bias (n)).
  virtual void add_bias_relu(View<const float> bias, View<float> x) = 0;
  /// gradient = 0 where output, that of add_bias_relu, is 0.
  virtual void relu_backward(View<const float> output, View<float> gradient) = 0;
  /// sums (n) = column sums of x (m, n), in a fixed order: the gradient of a bias.
  virtual void sum_rows(View<const float> x, View<float> sums) = 0;
  /// The same of several arrays of one shape.
  virtual void sum_rows_each(std::span<const SummedRows> all) {
    for (const SummedRows& one : all) sum_rows(one.x, one.sums);
  }
  /// out = x + y; in place where out is one of them.
  virtual void add(View<const float> x, View<const float> y, View<float> out) = 0;
  /// out[i] = x[i] / (1 - rate) where dropout_keeps(element i of this step), else 0; in place where
  /// out is x. Its own backward. rate 0 copies.
  virtual void dropout(View<const float> x, Dropout dropout, View<const StepState> state,
                       View<float> out) = 0;
  /// x (m, n) = dropout(max(0, x + bias (n))).
  virtual void add_bias_relu_dropout(View<const float> bias, Dropout dropout,
                                     View<const StepState> state, View<float> x) = 0;
  /// gradient = 0 where output, that of add_bias_relu_dropout, is 0; else gradient / (1 - rate).
  virtual void relu_dropout_backward(View<const float> output, float rate,
                                     View<float> gradient) = 0;
  /// x (m, n) = residual (m, n) + dropout(x + bias (n)).
  virtual void add_bias_dropout_add(View<const float> bias, Dropout dropout,
                                    View<const StepState> state, View<const float> residual,
                                    View<float> x) = 0;

  // ---- rows with many features ------------------------------------------------------------------
  /// Of out (B, C d), columns [places[g] d, (places[g] + 1) d) of row b = the row of look-up
  /// b G + g, for each g of the G = places.size() features that `rows` has; others are left alone.
  /// Without an index look-up l has row l of `rows`.
  virtual void gather_features(Lookup rows, View<const int32_t> places, View<float> out) = 0;
  /// The inverse: out (B, G d) from those columns of x (B, C d).
  virtual void part_features(View<const float> x, View<const int32_t> places, View<float> out) = 0;
  /// Columns [first, first + d) of out (B, N): for row b the sum of the rows of look-ups
  /// [ends[b], ends[b + 1]), or with `mean` their mean; 0 of none. ends (B + 1). Without an index
  /// look-up l has row l of `rows`.
  virtual void pool_bags(Lookup rows, View<const int32_t> ends, bool mean, int64_t first,
                         View<float> out) = 0;
  /// The inverse of the gradients: rows (L, d), of look-ups that are in some bag, from those
  /// columns of gradient (B, N); others are left alone.
  virtual void spread_bags(View<const float> gradient, int64_t first, View<const int32_t> ends,
                           bool mean, View<float> rows) = 0;
  /// out (B, n) = columns [first, first + n) of x (B, N).
  virtual void take_columns(View<const float> x, int64_t first, View<float> out) = 0;
  /// Columns [first, first + n) of out (B, N) = x (B, n).
  virtual void put_columns(View<const float> x, int64_t first, View<float> out) = 0;
  /// A cross layer of DCN-V2 (Wang et al. 2021, eq. 1): out = x0 * (y + bias) + x, where
  /// y (B, n) = x W; all (B, n), bias (n).
  virtual void cross(View<const float> x0, View<const float> y, View<const float> bias,
                     View<const float> x, View<float> out) = 0;
  /// y_gradient = x0 * out_gradient, and x0_gradient += (y + bias) * out_gradient. That by x is
  /// out_gradient itself, and what y_gradient makes.
  virtual void cross_backward(View<const float> x0, View<const float> y, View<const float> bias,
                              View<const float> out_gradient, View<float> y_gradient,
                              View<float> x0_gradient) = 0;
  /// The first V (V - 1) / 2 columns of out (B, N): dot products of every two of a row's
  /// V = x.cols / dim vectors, that of vector 1 with 0 first, then those of 2 with 0 and 1 (Naumov
  /// et al. 2019, section 2.1.3).
  virtual void dot_pairs(View<const float> x, int64_t dim, View<float> out) = 0;
  /// x_gradient (B, V dim), of as many columns of out_gradient (B, N).
  virtual void dot_pairs_backward(View<const float> x, int64_t dim, View<const float> out_gradient,
                                  View<float> x_gradient) = 0;

  // ---- sequences (SASRec; Kang & McAuley 2018) --------------------------------------------------
  /// out (T, d) = dropout(scale * items[t] + positions (max length, d).row(position[t])).
  virtual void sequence_input(Lookup items, float scale, View<const float> positions,
                              View<const int32_t> position, Dropout dropout,
                              View<const StepState> state, View<float> out) = 0;
  /// sums (max length, d): row p = the sum of x (T, d) over the tokens at position p, in their
  /// order. The last token of a sequence is at the last position.
  virtual void sum_positions(View<const float> x, Sequences sequences, View<float> sums) = 0;
  /// out = gain * (x - mean) / sqrt(variance + epsilon) + bias, by row of x (T, d); gain, bias (d);
  /// stats (T, 2) = mean and 1 / sqrt(variance + epsilon), for the backward.
  virtual void layer_norm(View<const float> x, View<const float> gain, View<const float> bias,
                          float epsilon, View<float> out, View<float> stats) = 0;
  /// x_gradient (T, d) (+= with accumulate), gain_gradient (d), bias_gradient (d).
  virtual void layer_norm_backward(View<const float> x, View<const float> gain,
                                   View<const float> stats, View<const float> out_gradient,
                                   View<float> x_gradient, bool accumulate,
                                   View<float> gain_gradient, View<float> bias_gradient) = 0;
  /// Causal self-attention within each sequence: out[t] = sum over s <= t of
  /// dropout(softmax_s(q[t] . k[s] / sqrt(d / heads))) v[s], by head. q, k, v, out (T, d);
  /// log_sums (T, heads) = log of the softmax's denominator, for the backward. Element
  /// ((first row + t) * heads + h) * longest + (s - first token of the sequence) decides the
  /// dropout of a weight, with the dropout's first row.
  virtual void attention(const AttentionInput& input, Sequences sequences, Dropout dropout,
                         View<const StepState> state, View<float> out, View<float> log_sums) = 0;
  /// gradients.q, .k, .v (T, d) from out, log_sums of the forward and out_gradient (T, d).
  virtual void attention_backward(const AttentionInput& input, Sequences sequences, Dropout dropout,
                                  View<const StepState> state, View<const float> out,
                                  View<const float> log_sums, View<const float> out_gradient,
                                  const AttentionGradients& gradients) = 0;
  /// attention() without dropout, of the last token of each sequence alone: its query and its out
  /// are row b of input.q and out (S, d) for sequence b; k and v (T, d). An empty sequence has 0.
  virtual void attention_of_last(const AttentionInput& input, Sequences sequences,
                                 View<float> out) = 0;
  /// out (T): out[t] = x[t] . y[t].
  virtual void row_dots(View<const float> x, Lookup y, View<float> out) = 0;
  /// From out_gradient (T): x_gradient (T, d) = g y (+= with accumulate), y_gradient (T, d) = g x.
  virtual void row_dots_backward(View<const float> x, Lookup y, View<const float> out_gradient,
                                 View<float> x_gradient, bool accumulate,
                                 View<float> y_gradient) = 0;

  /// row_dots of x with the positives and with the negatives, bce_with_logits of those against 1
  /// and of these against 0, and row_dots_backward of both; loss_sum (1) += every loss.
  virtual void sampled_loss(const SampledLoss& tokens, View<double> loss_sum);

  // ---- GMF (He et al. 2017, eq. 9): logit = sum_i w_i p_i q_i + bias ----------------------------
  /// weights (d + 1), the bias last; logits (B).
  virtual void gmf_forward(Lookup users, Lookup items, View<const float> weights,
                           View<float> logits) = 0;
  /// From logit_gradient (B): user_gradient (B, d), item_gradient (B, d), weight_gradient (d + 1).
  virtual void gmf_backward(Lookup users, Lookup items, View<const float> weights,
                            View<const float> logit_gradient, View<float> user_gradient,
                            View<float> item_gradient, View<float> weight_gradient) = 0;

  // ---- losses -----------------------------------------------------------------------------------
  /// losses[b] = BCE(sigmoid(logits[b]), labels[b]); gradient[b] = scale * d losses[b] / d
  /// logits[b].
  virtual void bce_with_logits(View<const float> logits, View<const float> labels, float scale,
                               View<float> losses, View<float> gradient) = 0;
  /// losses[b] = (predictions[b] - targets[b])^2; gradient[b] = scale * 2 (predictions - targets).
  virtual void squared_loss(View<const float> predictions, View<const float> targets, float scale,
                            View<float> losses, View<float> gradient) = 0;
  /// predictions[b] += mean + biases[left[b]] + biases[right[b]]; biases (n), the others (B).
  virtual void add_item_biases(View<const float> biases, float mean, View<const int32_t> left,
                               View<const int32_t> right, View<float> predictions) = 0;
  /// sum[0] += sum of x, in a fixed order.
  virtual void accumulate(View<const float> x, View<double> sum) = 0;
};

inline void LayerOps::sampled_loss(const SampledLoss& tokens, View<double> loss_sum) {
  const SampledLoss& t = tokens;
  const auto side = [&](Lookup y, View<const float> labels, bool accumulates,
                        View<float> y_gradient) {
    row_dots(t.x, y, t.logits);
    bce_with_logits(t.logits, labels, t.scale, t.losses, t.logit_gradient);
    accumulate(t.losses, loss_sum);
    row_dots_backward(t.x, y, t.logit_gradient, t.x_gradient, accumulates, y_gradient);
  };
  side(t.positives, t.ones, false, t.positive_gradient);
  side(t.negatives, t.zeros, true, t.negative_gradient);
}

}  // namespace mgqe

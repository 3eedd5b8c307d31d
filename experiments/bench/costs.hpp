// What each op must at least move and compute: every input read once, every output written once,
// and the arithmetic of its definition, an fma two flops and anything else one. The limits of
// bench_ops are made of these.
//
// Shapes as in host/engine/ops/types.hpp: B look-ups, U distinct ids of them, n rows, d dimensions,
// D subspaces of width w = d / D, K centroids, T tokens.
#pragma once

#include <cstdint>

namespace mgqe::bench {

struct Cost {
  double bytes = 0;
  double flops = 0;
  /// Where the flops are a search's scores: the components of each, which a comparison, a blend and
  /// a minimum follow. 0: there is no search, or not only.
  int searched_width = 0;
};

/// Of two ops, whichever they are.
inline Cost operator+(Cost a, Cost b) { return {a.bytes + b.bytes, a.flops + b.flops}; }

inline constexpr double kFloat = 4;  // bytes
inline constexpr double kId = 4;

/// `searched` = sum over rows of K_i, the centroids their tiers let them choose from. A row is
/// read, its decoded form and codes are written; a score of w components is w fma.
inline Cost assign_cost(double rows, double searched, double d, double D, double K, bool by_id) {
  const double row = 2 * kFloat * d + D + (by_id ? kId : 0);
  return {rows * row + kFloat * K * (d + D), 2 * d * searched, static_cast<int>(d / D)};
}

inline Cost decode_cost(double rows, double packed_row_bytes, double d, double K) {
  return {rows * (packed_row_bytes + kFloat * d) + kFloat * K * d, 0};
}

inline Cost gather_cost(double B, double d) { return {B * (kId + 2 * kFloat * d), 0}; }

/// Reads the ids; writes order and inverse of every look-up, id and offset of every distinct one.
inline Cost deduplicate_cost(double B, double U) { return {B * 3 * kId + U * 2 * kId, 0}; }

/// Each look-up's gradient and place are read; id, offset and three rows of each distinct id, and
/// the three rows written back. An element's update: 3 fma, 3 products, a root, a sum, a quotient.
inline Cost sparse_adam_cost(double B, double U, double d) {
  return {B * (kId + kFloat * d) + U * (2 * kId + 6 * kFloat * d), B * d + 12 * U * d};
}

/// As sparse_adam_cost, but of each distinct id one row and one accumulator, read and written.
inline Cost rowwise_adagrad_cost(double B, double U, double d) {
  return {B * (kId + kFloat * d) + U * (2 * kId + 2 * kFloat * (d + 1)), B * d + 5 * U * d};
}

/// As sparse_adam_cost, but of each distinct id one row, read and written.
inline Cost sgd_cost(double B, double U, double d) {
  return {B * (kId + kFloat * d) + U * (2 * kId + 2 * kFloat * d), B * d + 2 * U * d};
}

/// Reads id, offset, row and codes of each distinct id and the codebook; writes the gradient. An
/// element adds its difference, weighted by the row's look-ups.
inline Cost codebook_gradient_cost(double U, double d, double D, double K) {
  return {U * (2 * kId + kFloat * d + D) + 2 * kFloat * K * d, 3 * U * d};
}

/// As assign_cost and codebook_gradient_cost, without the codes and with the rows read once.
inline Cost assign_with_gradient_cost(double U, double searched, double d, double K) {
  return {U * (2 * kId + 2 * kFloat * d) + 2 * kFloat * K * d, 2 * d * searched + 3 * U * d};
}

/// Softmax over K keys in each subspace, by its definition: scores e.k, products g.v, then
/// ds_k = y_k (g.v_k - sum y g.v), and ds_k times k and times e: four products of w terms for each
/// key, and six flops (exponential, its sum, division, mean, difference, product).
inline Cost softmax_backward_cost(double rows, double d, double D, double K) {
  return {rows * (kId + 3 * kFloat * d + D) + 4 * kFloat * K * d, rows * (8 * d * K + 6 * D * K)};
}

/// logit = sum w p q + bias: a product and an fma an element.
inline Cost gmf_forward_cost(double B, double d) {
  return {B * (2 * kFloat * d + 2 * kId + kFloat) + kFloat * (d + 1), 3 * d * B};
}
/// g q, g w, their products with w and p, and an fma of the weights' gradient, an element.
inline Cost gmf_backward_cost(double B, double d) {
  return {B * (4 * kFloat * d + 2 * kId + kFloat) + 2 * kFloat * (d + 1), 6 * d * B};
}

/// `pairs` = sum over sequences of len (len + 1) / 2: the weights under the causal mask. Each is a
/// score and a sum of values, d fma each, and a softmax of four flops a head.
inline Cost attention_cost(double T, double pairs, double d, double heads) {
  return {T * (4 * kFloat * d + kFloat * heads), pairs * (4 * d + 4 * heads)};
}
/// Scores again, the gradients of weights, q, k and v: five products of d fma. Reads q, k, v, out
/// and out's gradient, writes three.
inline Cost attention_backward_cost(double T, double pairs, double d, double heads) {
  return {T * (8 * kFloat * d + kFloat * heads), pairs * (10 * d + 5 * heads)};
}

/// Mean, squared differences, and (x - mean) r gain + bias: 1 + 3 + 4 flops an element.
inline Cost layer_norm_cost(double T, double d) {
  return {T * (2 * kFloat * d + 2 * kFloat) + 2 * kFloat * d, 8 * T * d};
}
/// The normalised x again (2), g gain (1), its two sums (3), the gradient (5), those of gain and
/// bias (3). Reads x and out's gradient, writes x's.
inline Cost layer_norm_backward_cost(double T, double d) {
  return {T * (3 * kFloat * d + 2 * kFloat) + 3 * kFloat * d, 14 * T * d};
}

inline Cost matmul_cost(double m, double n, double k) {
  return {kFloat * (m * k + k * n + m * n), 2 * m * n * k};
}

/// The rows of all features of B rows, in their places.
inline Cost gather_features_cost(double B, double features, double d) {
  return {B * features * (kId + 2 * kFloat * d), 0};
}

/// x0 (x W + b) + x, of n columns: two products beside that of the matrix, which x0 and x read and
/// out written once stand for.
inline Cost cross_layer_cost(double B, double n) {
  return {kFloat * (3 * B * n + n * n + n), 2 * B * n * n + 3 * B * n};
}
/// Reads x0, x, x W and the gradient by the output, writes those by x, x0, W and b; two products of
/// matrices.
inline Cost cross_layer_backward_cost(double B, double n) {
  return {kFloat * (6 * B * n + 2 * (n * n + n)), 4 * B * n * n + 5 * B * n};
}

/// Of every two of V vectors.
inline Cost dot_pairs_cost(double B, double V, double d) {
  const double pairs = V * (V - 1) / 2;
  return {kFloat * B * (V * d + pairs), 2 * B * pairs * d};
}
inline Cost dot_pairs_backward_cost(double B, double V, double d) {
  const double pairs = V * (V - 1) / 2;
  return {kFloat * B * (2 * V * d + pairs), 4 * B * pairs * d};
}

/// A score of every item for every user, and its comparison.
inline Cost rank_all_cost(double users, double items, double d) {
  return {kFloat * d * (users + items) + 3 * kId * users, users * items * (2 * d + 1)};
}

}  // namespace mgqe::bench

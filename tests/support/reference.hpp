// Naive loops in double, written from the formulas alone and sharing no code with what they check.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

namespace mgqe::reference {

using Matrix = std::vector<double>;  // row-major

template <class T>
Matrix widen(const std::vector<T>& values) {
  return Matrix(values.begin(), values.end());
}

/// Squared distance of subspace j of e to that of c, both of D w components.
inline double squared_distance(const double* e, const double* c, int j, int w) {
  double sum = 0.0;
  for (int q = j * w; q < (j + 1) * w; ++q) sum += (e[q] - c[q]) * (e[q] - c[q]);
  return sum;
}

/// argmin over the first `limit` rows of codebook (K, d), lowest index on ties.
inline int nearest(const double* e, const Matrix& codebook, int limit, int d, int j, int w) {
  int best = 0;
  double best_distance = std::numeric_limits<double>::infinity();
  for (int k = 0; k < limit; ++k) {
    const double distance = squared_distance(e, &codebook[static_cast<size_t>(k) * d], j, w);
    if (distance < best_distance) {
      best_distance = distance;
      best = k;
    }
  }
  return best;
}

/// Mean binary cross-entropy of GMF with full tables.
inline double gmf_loss(const Matrix& users, const Matrix& items, const Matrix& weights, int d,
                       const std::vector<int32_t>& user_ids, const std::vector<int32_t>& item_ids,
                       const std::vector<float>& labels) {
  double loss = 0.0;
  for (size_t b = 0; b < labels.size(); ++b) {
    double z = weights[d];
    for (int c = 0; c < d; ++c)
      z += weights[c] * users[user_ids[b] * d + c] * items[item_ids[b] * d + c];
    const double p = 1.0 / (1.0 + std::exp(-z));
    loss -= labels[b] > 0.5f ? std::log(p) : std::log(1.0 - p);
  }
  return loss / static_cast<double>(labels.size());
}

/// Mean over look-ups and dimensions of (c - e)^2 for fixed codes (look-ups, D).
inline double codebook_loss(const Matrix& queries, const Matrix& codebook, int d, int subspaces,
                            const std::vector<int32_t>& ids, const std::vector<uint8_t>& codes) {
  double loss = 0.0;
  const int w = d / subspaces;
  for (size_t b = 0; b < ids.size(); ++b)
    for (int c = 0; c < d; ++c) {
      const double centroid = codebook[codes[b * subspaces + c / w] * d + c];
      const double difference = centroid - queries[ids[b] * d + c];
      loss += difference * difference;
    }
  return loss / static_cast<double>(ids.size() * d);
}

/// d f / d x[i] by central differences.
template <class Function>
double finite_difference(Matrix& x, size_t i, const Function& f, double h = 1e-5) {
  const double before = x[i];
  x[i] = before + h;
  const double above = f();
  x[i] = before - h;
  const double below = f();
  x[i] = before;
  return (above - below) / (2.0 * h);
}

}  // namespace mgqe::reference

// Functors of the batch-normalized responses of DPQ-SX: e_j . key_jk, over whose look-ups and
// subspaces each key's mean and variance are taken. All of them come from the first two moments of
// a batch's rows by subspace, so that no op but the softmax itself looks at every row and key.
#pragma once

#include <cmath>

#include "host/engine/functors/quantizer_functors.hpp"

namespace mgqe {

/// Element (c, t): the look-ups (t = 0), the sum of component c (t = 1), or of its products with
/// component t - 2 of its subspace.
struct RowMoments {
  View<const float> queries;  // (n, d)
  UniqueIds unique;
  View<double> sums;  // (d, w + 2)

  /// What distinct row u adds.
  MGQE_HD double of(int64_t i, int32_t u) const {
    const int64_t width = sums.cols - 2, c = i / sums.cols, t = i % sums.cols;
    const double weight = unique.weight(u);
    if (t == 0) return weight;
    const float* const e = queries.row(unique.place(u));
    return t == 1 ? weight * e[c] : weight * e[c] * e[c / width * width + t - 2];
  }
  MGQE_HD void operator()(int64_t i) const {
    double sum = 0.0;
    for (int32_t u = 0; u < unique.count[0]; ++u) sum += of(i, u);
    sums[i] = sum;
  }
};

/// Responses to a key: one for each look-up and subspace.
MGQE_HD double response_count(View<const double> sums) {
  return sums[0] * static_cast<double>(sums.rows) / static_cast<double>(sums.cols - 2);
}

/// Element k.
struct ResponseMoments {
  View<const double> sums;  // (d, w + 2), as RowMoments leaves them
  View<const float> keys;   // (K, d)
  View<float> moments, running;
  MGQE_HD void operator()(int64_t k) const {
    const int64_t width = sums.cols - 2;
    const float* const key = keys.row(k);
    double sum = 0.0, squares = 0.0;
    for (int64_t c = 0; c < keys.cols; ++c) {
      const double* const of_component = sums.row(c);
      const float* const part = key + c / width * width;
      double product = 0.0;
      for (int64_t q = 0; q < width; ++q) product += of_component[2 + q] * part[q];
      sum += of_component[1] * key[c];
      squares += product * key[c];
    }
    set_moments(response_count(sums), sum, squares, moments.row(k), running.row(k));
  }
};

/// 1 / divisor_k.
MGQE_HD float response_factor(ResponseScale scale, int64_t k) {
  const float deviation =
      scale.moments.data == nullptr ? 1.0f : sqrtf(scale.moments.row(k)[1] + kDistanceEpsilon);
  return 1.0f / (deviation * scale.temperature);
}

struct ScaleKeys {
  View<const float> keys;  // (K, d)
  ResponseScale scale;
  View<float> scaled;   // (K, d)
  View<float> offsets;  // (K, D)
  MGQE_HD void operator()(int64_t k, int64_t c) const {
    const float factor = response_factor(scale, k);
    scaled.row(k)[c] = keys.row(k)[c] * factor;
    const int64_t width = keys.cols / offsets.cols;
    if (c % width == 0)
      offsets.row(k)[c / width] =
          scale.moments.data == nullptr ? 0.0f : scale.moments.row(k)[0] * factor;
  }
};

/// Element k. The score's product with its gradient needs no row: sum over rows of gradient * score
/// is scaled key . its gradient - offset * sum of gradients.
struct ResponseTerms {
  SoftmaxKeys scaled;
  View<const float> key_gradient;     // (K, d)
  View<const float> offset_gradient;  // (K, D)
  float temperature;
  View<double> terms;  // (K, 2)
  MGQE_HD void operator()(int64_t k) const {
    double gradient = 0.0, product = 0.0;
    for (int64_t j = 0; j < offset_gradient.cols; ++j) gradient -= offset_gradient.row(k)[j];
    for (int64_t c = 0; c < key_gradient.cols; ++c)
      product += static_cast<double>(scaled.keys.row(k)[c]) * key_gradient.row(k)[c];
    product -= scaled.offsets.row(k)[0] * gradient;
    terms.row(k)[0] = gradient;
    terms.row(k)[1] = product * temperature * temperature;
  }
};

/// With n look-ups in a row, N responses to a key and a, b its terms, what the moments pass back to
/// a response is -n / N (a + b score) / divisor, and score = e . scaled - offset: below, the part
/// that is the same for all rows, and the one that is linear in them.
MGQE_HD double constant_part(const SoftmaxKeys& scaled, View<const double> terms, int64_t k) {
  return terms.row(k)[0] - terms.row(k)[1] * scaled.offsets.row(k)[0];
}

struct ScaleKeysBackward {
  SoftmaxKeys scaled;
  ResponseScale scale;
  View<const double> sums;   // (d, w + 2), or empty
  View<const double> terms;  // (K, 2), or empty
  double share;
  View<float> gradient;  // (K, d)
  MGQE_HD void operator()(int64_t k, int64_t c) const {
    double sum = gradient.row(k)[c];
    const double responses = terms.data == nullptr ? 0.0 : response_count(sums);
    if (responses > 0.0) {
      const int64_t width = sums.cols - 2;
      const double* const of_component = sums.row(c);
      const float* const part = scaled.keys.row(k) + c / width * width;
      double product = 0.0;
      for (int64_t q = 0; q < width; ++q) product += of_component[2 + q] * part[q];
      sum -= share / responses *
             (constant_part(scaled, terms, k) * of_component[1] + terms.row(k)[1] * product);
    }
    gradient.row(k)[c] = static_cast<float>(sum * response_factor(scale, k));
  }
};

/// Element (c, t): v_c (t = 0), or m_cq of component q = t - 1 of the subspace.
struct ResponseMap {
  SoftmaxKeys scaled;
  View<const double> sums;   // (d, w + 2)
  View<const double> terms;  // (K, 2)
  View<float> map;           // (d, w + 1)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t width = map.cols - 1, c = i / map.cols, t = i % map.cols;
    const double responses = response_count(sums);
    double sum = 0.0;
    for (int64_t k = 0; k < terms.rows; ++k) {
      const float* const key = scaled.keys.row(k);
      sum += key[c] * (t == 0 ? constant_part(scaled, terms, k)
                              : terms.row(k)[1] * key[c / width * width + t - 1]);
    }
    map[i] = responses > 0.0 ? static_cast<float>(sum / responses) : 0.0f;
  }
};

struct ResponseBackward {
  View<const float> queries;  // (n, d)
  UniqueIds unique;
  View<const float> map;  // (d, w + 1)
  View<float> gradient;   // (|unique|, d)
  MGQE_HD void operator()(int64_t u, int64_t c) const {
    if (u >= unique.count[0]) return;
    const int64_t width = map.cols - 1;
    const float* const e = queries.row(unique.place(u)) + c / width * width;
    float passed = map.row(c)[0];
    for (int64_t q = 0; q < width; ++q) passed = fmaf(map.row(c)[1 + q], e[q], passed);
    gradient.row(u)[c] = fmaf(-static_cast<float>(unique.weight(u)), passed, gradient.row(u)[c]);
  }
};

}  // namespace mgqe

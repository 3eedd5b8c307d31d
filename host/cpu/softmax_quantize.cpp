// Backward of the softmax quantizer (DPQ-SX) on the CPU: centroids in lanes. Each thread owns whole
// subspaces and adds rows in order, so no two threads meet. A subspace's keys, offsets, values and
// gradients by the first two lie transposed, (w, K), and stay in the first-level cache while rows
// stream by; scores are computed anew for each row and never stored beyond it.
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/runtime/lanes.hpp"
#include "host/engine/functors/softmax_math.hpp"

namespace mgqe {
namespace {

/// One subspace's arrays, each (w, padded K), and its offsets and their gradients (padded K).
struct Subspace {
  int64_t first, width;  // columns [first, first + width)
  int64_t centroids, padded;
  float* keys;
  float* values;
  float* key_gradient;
  float* offsets;
  float* offset_gradient;

  static int64_t floats(int64_t width, int64_t padded) { return (3 * width + 2) * padded; }
  /// In scratch of as many floats.
  Subspace(int64_t j, int64_t width, int64_t centroids, int64_t padded, float* scratch)
      : first(j * width),
        width(width),
        centroids(centroids),
        padded(padded),
        keys(scratch),
        values(keys + width * padded),
        key_gradient(values + width * padded),
        offsets(key_gradient + width * padded),
        offset_gradient(offsets + padded) {}
};

inline void load_subspace(const SoftmaxKeys& scored, View<const float> values, int64_t j,
                          const Subspace& s) {
  for (int64_t k = 0; k < s.padded; ++k) {
    const bool real = k < s.centroids;
    for (int64_t q = 0; q < s.width; ++q) {
      s.keys[q * s.padded + k] = real ? scored.keys.row(k)[s.first + q] : 0.0f;
      s.values[q * s.padded + k] = real ? values.row(k)[s.first + q] : 0.0f;
      s.key_gradient[q * s.padded + k] = 0.0f;
    }
    s.offsets[k] = real ? scored.offsets.row(k)[j] : 0.0f;
    s.offset_gradient[k] = 0.0f;
  }
}

/// out[k] = sum_q x[q] matrix[q, k], dimensions in order. kWidth 0 takes any width.
template <int kWidth>
inline void products(const float* __restrict x, const float* __restrict matrix, const Subspace& s,
                     float* __restrict out) {
  if constexpr (kWidth > 0) {
    for (int64_t k = 0; k < s.padded; ++k) {
      float sum = x[0] * matrix[k];
      for (int64_t q = 1; q < kWidth; ++q) sum = fmaf(x[q], matrix[q * s.padded + k], sum);
      out[k] = sum;
    }
  } else {
    for (int64_t k = 0; k < s.padded; ++k) out[k] = x[0] * matrix[k];
    for (int64_t q = 1; q < s.width; ++q)
      for (int64_t k = 0; k < s.padded; ++k) out[k] = fmaf(x[q], matrix[q * s.padded + k], out[k]);
  }
}

/// Sums over the centroids of the weights e^(score - top), and of weight times slope.
struct SoftmaxSums {
  float weights, slopes;
};

inline SoftmaxSums sum_softmax(const float* weights, const float* slopes, int64_t padded) {
  Lanes total = {}, weighted = {}, weight, slope;
  for (int64_t k = 0; k < padded; k += kLanes) {
    load(weights + k, weight);
    load(slopes + k, slope);
    total += weight;
    weighted += weight * slope;
  }
  return {sum_lanes(total), sum_lanes(weighted)};
}

/// sum_k slopes[k] keys[q, k].
inline float slope_dot(const float* slopes, const float* keys, int64_t padded) {
  Lanes sums = {}, slope, key;
  for (int64_t k = 0; k < padded; k += kLanes) {
    load(slopes + k, slope);
    load(keys + k, key);
    sums += slope * key;
  }
  return sum_lanes(sums);
}

/// slopes[k] = p_k (slope_k - mean) and what it adds to the gradients by keys and offsets:
/// weights[k] = p_k / inverse. kWidth 0 takes any width.
template <int kWidth>
inline void add_slopes(const Subspace& s, const float* __restrict weights, float inverse,
                       float mean, const float* __restrict e, float* __restrict slopes) {
  float* __restrict key_gradient = s.key_gradient;
  float* __restrict offset_gradient = s.offset_gradient;
  if constexpr (kWidth > 0) {
#pragma GCC ivdep
    for (int64_t k = 0; k < s.padded; ++k) {
      const float slope = weights[k] * inverse * (slopes[k] - mean);
      slopes[k] = slope;
      offset_gradient[k] -= slope;
      for (int64_t q = 0; q < kWidth; ++q)
        key_gradient[q * s.padded + k] = fmaf(slope, e[q], key_gradient[q * s.padded + k]);
    }
  } else {
    for (int64_t k = 0; k < s.padded; ++k) {
      slopes[k] = weights[k] * inverse * (slopes[k] - mean);
      offset_gradient[k] -= slopes[k];
    }
    for (int64_t q = 0; q < s.width; ++q)
      for (int64_t k = 0; k < s.padded; ++k)
        key_gradient[q * s.padded + k] = fmaf(slopes[k], e[q], key_gradient[q * s.padded + k]);
  }
}

/// With p = softmax(scores) and slope_k the gradient by the k-th one-hot weight, the gradient by
/// score k is p_k (slope_k - sum p slope).
template <int kWidth>
inline void add_row(const Subspace& s, const float* __restrict e, const float* __restrict g,
                    float* __restrict query_gradient) {
  alignas(64) float weights[kMaxCentroids], slopes[kMaxCentroids];
  products<kWidth>(e, s.keys, s, weights);
  products<kWidth>(g, s.values, s, slopes);
  for (int64_t k = 0; k < s.padded; ++k) weights[k] -= s.offsets[k];
  for (int64_t k = s.centroids; k < s.padded; ++k) weights[k] = -INFINITY;
  const float top =
      best_of<kMaxCentroids>(weights, s.padded, [](float a, float b) { return a > b; });
  for (int64_t k = 0; k < s.padded; ++k) weights[k] = exp_not_positive(weights[k] - top);
  for (int64_t k = s.centroids; k < s.padded; ++k) weights[k] = 0.0f;
  const SoftmaxSums sums = sum_softmax(weights, slopes, s.padded);
  const float inverse = 1.0f / sums.weights;
  add_slopes<kWidth>(s, weights, inverse, sums.slopes * inverse, e, slopes);
  const int64_t width = kWidth > 0 ? kWidth : s.width;
  for (int64_t q = 0; q < width; ++q)
    query_gradient[q] = slope_dot(slopes, s.keys + q * s.padded, s.padded);
}

template <int kWidth>
inline void subspace_backward(const SoftmaxRows& in, const SoftmaxGradients& out, int64_t j,
                              const Subspace& s) {
  for (int64_t i = 0; i < in.rows.size(); ++i) {
    const float* g = in.gradient.row(i) + s.first;
    add_row<kWidth>(s, in.queries.row(in.rows[i]) + s.first, g, out.queries.row(i) + s.first);
    float* value_gradient = out.values.row(in.codes.row(i)[j]) + s.first;
    for (int64_t q = 0; q < s.width; ++q) value_gradient[q] += g[q];
  }
  for (int64_t k = 0; k < s.centroids; ++k) {
    for (int64_t q = 0; q < s.width; ++q)
      out.keys.row(k)[s.first + q] = s.key_gradient[q * s.padded + k];
    out.offsets.row(k)[j] = s.offset_gradient[k];
  }
}

}  // namespace

void CpuBackend::softmax_backward(const SoftmaxRows& rows, const SoftmaxKeys& keys,
                                  View<const float> values, const SoftmaxGradients& gradients) {
  const int64_t d = values.cols, centroids = values.rows, subspaces = rows.codes.cols;
  const int64_t width = d / subspaces;
  MGQE_CHECK(width * subspaces == d && centroids <= kMaxCentroids, d, " dimensions, ", subspaces,
             " subspaces, ", centroids, " centroids");
  const int64_t padded = whole_lanes(centroids), floats = Subspace::floats(width, padded);
  softmax_scratch_.resize(static_cast<size_t>(subspaces * floats));
  float* const scratch = softmax_scratch_.data();
  zero(gradients.values.data, sizeof(float) * static_cast<size_t>(gradients.values.size()));
  parallel_ranges(subspaces, 1, [=](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const Subspace s(j, width, centroids, padded, scratch + j * floats);
      load_subspace(keys, values, j, s);
      switch (width) {
        case 1:
          subspace_backward<1>(rows, gradients, j, s);
          break;
        case 2:
          subspace_backward<2>(rows, gradients, j, s);
          break;
        case 4:
          subspace_backward<4>(rows, gradients, j, s);
          break;
        case 8:
          subspace_backward<8>(rows, gradients, j, s);
          break;
        default:
          subspace_backward<0>(rows, gradients, j, s);
      }
    }
  });
}

}  // namespace mgqe

// Backward of the softmax quantizer (DPQ-SX) on the CPU: centroids in lanes. Each thread owns whole
// subspaces and adds rows in order, so no two threads meet. A subspace's keys, values and key
// gradients lie transposed, (w, K), and stay in the first-level cache while rows stream by; scores
// are computed anew for each row and never stored beyond it.
#include <cstring>

#include "host/core/softmax_math.hpp"
#include "host/cpu/cpu_backend.hpp"

namespace mgqe {
namespace {

constexpr int kLanes = 16;  // of every sum over centroids, whatever the instruction level

/// A vector of lanes, because the compiler would unroll loops over them into scalars.
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

constexpr int64_t padded_centroids(int64_t centroids) {
  return (centroids + kLanes - 1) / kLanes * kLanes;
}

/// One subspace's arrays, each (w, padded K).
struct Subspace {
  int64_t first, width;  // columns [first, first + width)
  int64_t centroids, padded;
  float* keys;
  float* values;
  float* key_gradient;
};

inline void load(const float* from, Lanes& lanes) { std::memcpy(&lanes, from, sizeof lanes); }

inline float sum_lanes(const Lanes& lanes) {
  float sums[kLanes];
  std::memcpy(sums, &lanes, sizeof sums);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
  return sums[0];
}

/// sum_k x[k] y[k] over padded centroids.
inline float lane_dot(const float* x, const float* y, int64_t padded) {
  Lanes sums = {}, left, right;
  for (int64_t k = 0; k < padded; k += kLanes) {
    load(x + k, left);
    load(y + k, right);
    sums += left * right;
  }
  return sum_lanes(sums);
}

inline float highest_of(const float* x, int64_t padded) {
  Lanes highest, next;
  load(x, highest);
  for (int64_t k = kLanes; k < padded; k += kLanes) {
    load(x + k, next);
    highest = next > highest ? next : highest;
  }
  float top = highest[0];
  for (int l = 1; l < kLanes; ++l) top = highest[l] > top ? highest[l] : top;
  return top;
}

inline void load_subspace(View<const float> keys, View<const float> values, const Subspace& s) {
  for (int64_t q = 0; q < s.width; ++q)
    for (int64_t k = 0; k < s.padded; ++k) {
      const bool real = k < s.centroids;
      s.keys[q * s.padded + k] = real ? keys.row(k)[s.first + q] : 0.0f;
      s.values[q * s.padded + k] = real ? values.row(k)[s.first + q] : 0.0f;
      s.key_gradient[q * s.padded + k] = 0.0f;
    }
}

/// out[k] = sum_q x[q] matrix[q, k].
inline void products(const float* __restrict x, const float* __restrict matrix, const Subspace& s,
                     float* __restrict out) {
  for (int64_t k = 0; k < s.padded; ++k) out[k] = x[0] * matrix[k];
  for (int64_t q = 1; q < s.width; ++q)
    for (int64_t k = 0; k < s.padded; ++k) out[k] = fmaf(x[q], matrix[q * s.padded + k], out[k]);
}

/// scores and slopes (the gradient by each one-hot weight) -> slopes = the gradient by each score,
/// p_k (slope_k - sum p slope).
inline void softmax_slopes(const Subspace& s, float* __restrict scores, float* __restrict slopes) {
  for (int64_t k = s.centroids; k < s.padded; ++k) scores[k] = -INFINITY;
  const float top = highest_of(scores, s.padded);
  for (int64_t k = 0; k < s.padded; ++k) scores[k] = exp_not_positive(scores[k] - top);
  for (int64_t k = s.centroids; k < s.padded; ++k) scores[k] = 0.0f;
  Lanes total = {}, next;
  for (int64_t k = 0; k < s.padded; k += kLanes) {
    load(scores + k, next);
    total += next;
  }
  const float inverse = 1.0f / sum_lanes(total);
  const float mean = lane_dot(scores, slopes, s.padded) * inverse;
  for (int64_t k = 0; k < s.padded; ++k) slopes[k] = scores[k] * inverse * (slopes[k] - mean);
}

inline void add_row(const Subspace& s, const float* __restrict e, const float* __restrict g,
                    float* __restrict query_gradient) {
  alignas(64) float scores[kMaxCentroids], slopes[kMaxCentroids];
  products(e, s.keys, s, scores);
  products(g, s.values, s, slopes);
  softmax_slopes(s, scores, slopes);
  for (int64_t q = 0; q < s.width; ++q) {
    const float* __restrict key = s.keys + q * s.padded;
    float* __restrict key_gradient = s.key_gradient + q * s.padded;
    query_gradient[q] = lane_dot(slopes, key, s.padded);
    for (int64_t k = 0; k < s.padded; ++k) key_gradient[k] = fmaf(slopes[k], e[q], key_gradient[k]);
  }
}

inline void subspace_backward(const SoftmaxRows& in, const SoftmaxGradients& out, int64_t j,
                              const Subspace& s) {
  for (int64_t i = 0; i < in.rows.size(); ++i) {
    const float* g = in.gradient.row(i) + s.first;
    add_row(s, in.queries.row(in.rows[i]) + s.first, g, out.queries.row(i) + s.first);
    float* value_gradient = out.values.row(in.codes.row(i)[j]) + s.first;
    for (int64_t q = 0; q < s.width; ++q) value_gradient[q] += g[q];
  }
  for (int64_t k = 0; k < s.centroids; ++k)
    for (int64_t q = 0; q < s.width; ++q)
      out.keys.row(k)[s.first + q] = s.key_gradient[q * s.padded + k];
}

}  // namespace

void CpuBackend::softmax_backward(const SoftmaxRows& rows, View<const float> keys,
                                  View<const float> values, const SoftmaxGradients& gradients) {
  const int64_t d = keys.cols, subspaces = rows.codes.cols, width = d / subspaces;
  MGQE_CHECK(width * subspaces == d && keys.rows <= kMaxCentroids, d, " dimensions, ", subspaces,
             " subspaces, ", keys.rows, " centroids");
  const int64_t padded = padded_centroids(keys.rows);
  softmax_scratch_.resize(static_cast<size_t>(3 * d * padded));
  float* const scratch = softmax_scratch_.data();
  zero(gradients.values.data, sizeof(float) * static_cast<size_t>(gradients.values.size()));
  parallel_ranges(subspaces, 1, [=](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      float* const own = scratch + 3 * j * width * padded;
      const Subspace s{
          j * width, width, keys.rows, padded, own, own + width * padded, own + 2 * width * padded};
      load_subspace(keys, values, s);
      subspace_backward(rows, gradients, j, s);
    }
  });
}

}  // namespace mgqe

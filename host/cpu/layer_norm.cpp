// Layer normalisation on the CPU. Sums over a row run in fixed lanes, those over rows in fixed
// chunks, so neither the instruction level nor the number of threads changes a bit. A row is read
// two or three times from the first-level cache rather than once with running moments, which lose
// digits where the mean is large.
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/runtime/lanes.hpp"

namespace mgqe {
namespace {

constexpr int64_t kChunk = 128;  // rows whose gain and bias gradients are summed before chunks are

/// Sum of f(0) ... f(d - 1).
template <class F>
inline float lane_sum(int64_t d, const F& f) {
  alignas(64) float lanes[kLanes] = {};
  int64_t c = 0;
  for (; c + kLanes <= d; c += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] += f(c + l);
  for (; c < d; ++c) lanes[c % kLanes] += f(c);
  Lanes sums;
  load(lanes, sums);
  return sum_lanes(sums);
}

}  // namespace

void CpuBackend::layer_norm(View<const float> x, View<const float> gain, View<const float> bias,
                            float epsilon, View<float> out, View<float> stats) {
  const int64_t d = x.cols;
  const float inverse_d = 1.0f / static_cast<float>(d);
  parallel_ranges(x.rows, row_grain(d), [=](int64_t begin, int64_t end) {
    const float* __restrict gains = gain.data;
    const float* __restrict biases = bias.data;
    for (int64_t t = begin; t < end; ++t) {
      const float* __restrict row = x.row(t);
      float* __restrict to = out.row(t);
      const float mean = lane_sum(d, [=](int64_t c) { return row[c]; }) * inverse_d;
      const float variance = lane_sum(d,
                                      [=](int64_t c) {
                                        const float centred = row[c] - mean;
                                        return centred * centred;
                                      }) *
                             inverse_d;
      const float inverse_deviation = 1.0f / std::sqrt(variance + epsilon);
#pragma GCC ivdep
      for (int64_t c = 0; c < d; ++c)
        to[c] = fmaf(gains[c], (row[c] - mean) * inverse_deviation, biases[c]);
      stats.row(t)[0] = mean;
      stats.row(t)[1] = inverse_deviation;
    }
  });
}

// With n = (x - mean) / deviation and g = gain * out_gradient:
// x_gradient = (g - mean(g) - n mean(g n)) / deviation.
void CpuBackend::layer_norm_backward(View<const float> x, View<const float> gain,
                                     View<const float> stats, View<const float> out_gradient,
                                     View<float> x_gradient, bool accumulate,
                                     View<float> gain_gradient, View<float> bias_gradient) {
  const int64_t d = x.cols, chunks = (x.rows + kChunk - 1) / kChunk;
  const float inverse_d = 1.0f / static_cast<float>(d);
  partials_.assign(static_cast<size_t>(chunks * 2 * d), 0.0f);
  float* partials = partials_.data();
  const int64_t grain = (row_grain(d) + kChunk - 1) / kChunk;
  parallel_ranges(chunks, grain, [=](int64_t begin, int64_t end) {
    const float* __restrict gains = gain.data;
    for (int64_t t = begin * kChunk; t < std::min(x.rows, end * kChunk); ++t) {
      float* __restrict gain_sum = partials + t / kChunk * 2 * d;
      float* __restrict bias_sum = gain_sum + d;
      const float* __restrict row = x.row(t);
      const float* __restrict from = out_gradient.row(t);
      float* __restrict to = x_gradient.row(t);
      const float mean = stats.row(t)[0], inverse_deviation = stats.row(t)[1];
      const auto g = [=](int64_t c) { return gains[c] * from[c]; };
      const auto n = [=](int64_t c) { return (row[c] - mean) * inverse_deviation; };
      const float mean_g = lane_sum(d, g) * inverse_d;
      const float mean_gn = lane_sum(d, [=](int64_t c) { return g(c) * n(c); }) * inverse_d;
#pragma GCC ivdep
      for (int64_t c = 0; c < d; ++c) {
        const float centred = fmaf(-n(c), mean_gn, g(c) - mean_g);
        const float before = accumulate ? to[c] : 0.0f;
        to[c] = fmaf(centred, inverse_deviation, before);
        gain_sum[c] = fmaf(from[c], n(c), gain_sum[c]);
        bias_sum[c] += from[c];
      }
    }
  });
  const View<float> sums[] = {gain_gradient, bias_gradient};
  for (int which = 0; which < 2; ++which)
    for (int64_t c = 0; c < d; ++c) {
      float total = 0.0f;
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        total += partials[(chunk * 2 + which) * d + c];
      sums[which][c] = total;
    }
}

}  // namespace mgqe

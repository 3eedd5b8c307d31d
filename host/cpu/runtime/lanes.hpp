// Sums in sixteen fixed lanes, folded in halves: the same bits at every instruction level. A vector
// type rather than an array of lanes: of an array the compiler makes scalars, and the folds go
// through memory.
#pragma once

#include <cstdint>
#include <cstring>

namespace mgqe {

inline constexpr int kLanes = 16;

/// n rounded up to whole lanes.
constexpr int64_t whole_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

inline void load(const float* from, Lanes& lanes) { std::memcpy(&lanes, from, sizeof lanes); }

inline float sum_lanes(const Lanes& x) {
  const auto low8 = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high8 = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto sum8 = low8 + high8;
  const auto low4 = __builtin_shufflevector(sum8, sum8, 0, 1, 2, 3);
  const auto high4 = __builtin_shufflevector(sum8, sum8, 4, 5, 6, 7);
  const auto sum4 = low4 + high4;
  const float even = sum4[0] + sum4[2], odd = sum4[1] + sum4[3];
  return even + odd;
}

/// sums[k] = sum_lanes of the k-th of four times sixteen lanes, side by side.
inline void sum_four(const float* lanes, float* sums) {
  typedef float Four __attribute__((vector_size(4 * sizeof(float))));
  const auto fours = [&](int k) {
    Four parts[4];
    std::memcpy(parts, lanes + k * kLanes, sizeof parts);
    return (parts[0] + parts[2]) + (parts[1] + parts[3]);
  };
  const auto halves = [&](int k) {  // of two: even of both, then odd of both
    const Four x = fours(k), y = fours(k + 1);
    return __builtin_shufflevector(x, y, 0, 4, 1, 5) + __builtin_shufflevector(x, y, 2, 6, 3, 7);
  };
  const Four first = halves(0), second = halves(2);
  const Four all = __builtin_shufflevector(first, second, 0, 1, 4, 5) +
                   __builtin_shufflevector(first, second, 2, 3, 6, 7);
  std::memcpy(sums, &all, sizeof all);
}

/// The element of x (n, whole lanes, up to `kMost`) that is better than all others; no NaN among
/// them. By halves, in loops that vectorise: choices between vectors wider than the processor's are
/// made lane by lane.
template <int64_t kMost, class Better>
inline float best_of(const float* __restrict x, int64_t n, const Better& better) {
  alignas(64) float best[kMost / 2 < kLanes ? kLanes : kMost / 2];
  const auto half_of = [](int64_t count) { return whole_lanes(count / 2); };
  int64_t half = half_of(n);
  for (int64_t k = 0; k < half; ++k) best[k] = x[k];
  for (int64_t k = half; k < n; ++k)
    best[k - half] = better(x[k], best[k - half]) ? x[k] : best[k - half];
  while (half > kLanes) {
    const int64_t count = half;
    half = half_of(count);
    for (int64_t k = half; k < count; ++k)
      best[k - half] = better(best[k], best[k - half]) ? best[k] : best[k - half];
  }
  float top = best[0];
  for (int l = 1; l < kLanes; ++l) top = better(best[l], top) ? best[l] : top;
  return top;
}

}  // namespace mgqe

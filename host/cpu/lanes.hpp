// Sums in sixteen fixed lanes, folded in halves: the same bits at every instruction level. A vector
// type rather than an array of lanes: of an array the compiler makes scalars, and the folds go
// through memory.
#pragma once

#include <cstdint>
#include <cstring>

namespace mgqe {

inline constexpr int kLanes = 16;

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

/// Greatest lane.
inline float top_lane(const Lanes& x) {
  const auto low8 = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high8 = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto top8 = high8 > low8 ? high8 : low8;
  const auto low4 = __builtin_shufflevector(top8, top8, 0, 1, 2, 3);
  const auto high4 = __builtin_shufflevector(top8, top8, 4, 5, 6, 7);
  const auto top4 = high4 > low4 ? high4 : low4;
  float top = top4[0];
  for (int l = 1; l < 4; ++l) top = top4[l] > top ? top4[l] : top;
  return top;
}

}  // namespace mgqe

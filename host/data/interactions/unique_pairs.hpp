// Sets of unordered item pairs, held as sorted 64-bit words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/base/parallel.hpp"

namespace mgqe {

/// The unordered pair {a, b}: the smaller item in the high half.
inline uint64_t pair_key(int32_t a, int32_t b) {
  if (a > b) std::swap(a, b);
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}
inline int32_t pair_low(uint64_t key) { return static_cast<int32_t>(key >> 32); }
inline int32_t pair_high(uint64_t key) { return static_cast<int32_t>(key & 0xFFFFFFFFu); }

/// What a draw answers when it made no pair.
constexpr uint64_t kNoPair = ~uint64_t{0};

/// The distinct pairs, ascending, of draw(0), draw(1), ...: `count` of them, fewer only when
/// max_draws draws did not give so many. draw(k) depends on k alone; it is called in parallel, and
/// any number of threads gives the same pairs. Every round draws as many as are missing, so none is
/// dropped and the set is not bent towards small keys.
template <class Draw>
std::vector<uint64_t> draw_unique_pairs(int64_t count, int64_t max_draws, const Draw& draw) {
  std::vector<uint64_t> pairs;
  pairs.reserve(count);
  for (int64_t drawn = 0; drawn < max_draws;) {
    const auto known = static_cast<int64_t>(pairs.size());
    const int64_t missing = std::min(count - known, max_draws - drawn);
    if (missing == 0) break;
    pairs.resize(known + missing);
    parallel_pieces(missing, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) pairs[known + k] = draw(drawn + k);
    });
    drawn += missing;
    std::sort(pairs.begin() + known, pairs.end());
    std::inplace_merge(pairs.begin(), pairs.begin() + known, pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    if (!pairs.empty() && pairs.back() == kNoPair) pairs.pop_back();
  }
  return pairs;
}

}  // namespace mgqe

// A loop over threads of this call alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "host/serve/scan/threads.hpp"

namespace mgqe {

/// Calls task(begin, end) on pieces of [0, n), each of at least `grain`, at most one a thread.
template <class Task>
void in_pieces(int64_t n, int64_t grain, int threads, const Task& task) {
  if (n <= 0) return;
  const int64_t pieces = std::clamp<int64_t>(n / grain, 1, std::max(threads, 1));
  std::atomic<int64_t> next{0};
  on_threads(pieces, [&] {
    for (int64_t piece = next++; piece < pieces; piece = next++)
      task(n * piece / pieces, n * (piece + 1) / pieces);
  });
}

}  // namespace mgqe

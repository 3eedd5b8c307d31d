// A loop over threads of this call alone: whoever serves says how many, and none is kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace mgqe {

/// Calls task(begin, end) on pieces of [0, n), each of at least `grain`, one a thread, the caller's
/// among them. Tasks must not throw.
template <class Task>
void in_pieces(int64_t n, int64_t grain, int threads, const Task& task) {
  if (n <= 0) return;
  const int64_t pieces = std::clamp<int64_t>(n / grain, 1, std::max(threads, 1));
  std::vector<std::thread> others;
  for (int64_t piece = 1; piece < pieces; ++piece)
    others.emplace_back([&, piece] { task(n * piece / pieces, n * (piece + 1) / pieces); });
  task(int64_t{0}, n / pieces);
  for (std::thread& other : others) other.join();
}

}  // namespace mgqe

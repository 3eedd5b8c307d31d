// A loop over threads of this call alone: whoever serves says how many, and none is kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mgqe {

/// Calls task(begin, end) on pieces of [0, n), each of at least `grain`, one a thread; the caller
/// does the first. What a task throws is thrown here when all have ended.
template <class Task>
void in_pieces(int64_t n, int64_t grain, int threads, const Task& task) {
  if (n <= 0) return;
  const int64_t pieces = std::clamp<int64_t>(n / grain, 1, std::max(threads, 1));
  if (pieces == 1) return task(int64_t{0}, n);
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto run = [&](int64_t piece) {
    try {
      task(n * piece / pieces, n * (piece + 1) / pieces);
    } catch (...) {
      const std::lock_guard lock(mutex);
      thrown = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<size_t>(pieces));
  int64_t begun = 1;
  try {
    for (; begun < pieces; ++begun) others.emplace_back(run, begun);
  } catch (const std::exception&) {  // no more threads are to be had: the caller does the rest
  }
  run(0);
  for (; begun < pieces; ++begun) run(begun);
  for (std::thread& other : others) other.join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace mgqe

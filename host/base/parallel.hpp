// Loops split over the threads of this process. Results must not depend on where a loop is cut, so
// that any number of threads gives the same.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "host/base/thread_pool.hpp"

namespace mgqe {

/// Threads that loops are split for: OMP_NUM_THREADS, which other numerical libraries read too,
/// else the cores that this process may use.
int thread_count();
/// For tests and benches; the pool keeps the threads that it began with.
void set_thread_count(int threads);

/// Pieces a thread gets: more than one, so that a thread that is late leaves its share to the
/// others.
inline constexpr int64_t kPiecesPerThread = 3;

/// Calls task(begin, end) on pieces of [0, n) of at least `grain`, in parallel where there are two
/// or more. Tasks must not throw.
template <class Task>
void parallel_pieces(int64_t n, int64_t grain, const Task& task) {
  if (n <= 0) return;
  const int64_t threads = thread_count();
  const int64_t pieces = std::min(n / grain, kPiecesPerThread * threads);
  if (threads < 2 || pieces < 2) return task(int64_t{0}, n);
  ThreadPool::instance().run(static_cast<int>(pieces), [&](int piece) {
    task(n * piece / pieces, n * (piece + 1) / pieces);
  });
}

/// For loops of uneven work with scratch memory: each thread calls make() once, then
/// body(scratch, begin, end) on stretches of `grain` as it gets to them. Neither may throw.
template <class Make, class Body>
void parallel_stretches(int64_t n, int64_t grain, const Make& make, const Body& body) {
  std::atomic<int64_t> next{0};
  ThreadPool::instance().run(thread_count(), [&](int) {
    int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
    if (begin >= n) return;
    auto scratch = make();
    for (; begin < n; begin = next.fetch_add(grain, std::memory_order_relaxed))
      body(scratch, begin, std::min(n, begin + grain));
  });
}

/// For loops of uneven work without any.
template <class Body>
void parallel_stretches(int64_t n, int64_t grain, const Body& body) {
  parallel_stretches(
      n, grain, [] { return 0; }, [&](int, int64_t begin, int64_t end) { body(begin, end); });
}

}  // namespace mgqe

#include "host/base/parallel.hpp"

#include <cstdlib>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace mgqe {
namespace {

int cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int initial_count() {
  // A list, as OpenMP has it for nested loops, begins with the number that counts here.
  const char* asked = std::getenv("OMP_NUM_THREADS");
  const int threads = asked != nullptr ? std::atoi(asked) : 0;
  return std::clamp(threads > 0 ? threads : cores(), 1, 1024);
}

std::atomic<int>& count() {
  static std::atomic<int> threads = initial_count();
  return threads;
}

}  // namespace

int thread_count() { return count().load(std::memory_order_relaxed); }
void set_thread_count(int threads) { count() = std::max(threads, 1); }

}  // namespace mgqe

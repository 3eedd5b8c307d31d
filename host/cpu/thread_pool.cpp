#include "host/cpu/thread_pool.hpp"

#include <omp.h>

namespace mgqe {
namespace {

/// How long an idle worker stays awake for the next job, in pauses of about 40 ns: longer than the
/// gaps between the ops of a step, far shorter than a time slice.
constexpr int kIdleSpins = 2000;
/// How long the caller looks for the last pieces to end before it sleeps.
constexpr int kFinishSpins = 500;

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

constexpr uint64_t pack(uint32_t generation, uint32_t pieces, uint32_t next) {
  return static_cast<uint64_t>(generation) << 32 | pieces << 16 | next;
}
constexpr uint32_t generation_of(uint64_t job) { return static_cast<uint32_t>(job >> 32); }
constexpr uint32_t pieces_of(uint64_t job) { return static_cast<uint32_t>(job >> 16) & 0xFFFF; }
constexpr uint32_t next_of(uint64_t job) { return static_cast<uint32_t>(job) & 0xFFFF; }

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool pool(omp_get_max_threads());
  return pool;
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { worker(); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  ++wake_;
  wake_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run_erased(int pieces, Function function, const void* context) {
  std::unique_lock lock(running_, std::try_to_lock);
  if (!lock || workers_.empty() || pieces < 2) {
    for (int piece = 0; piece < pieces; ++piece) function(context, piece);
    return;
  }
  function_ = function;
  context_ = context;
  unfinished_.store(pieces, std::memory_order_relaxed);
  const uint32_t generation = generation_of(job_.load(std::memory_order_relaxed)) + 1;
  job_.store(pack(generation, static_cast<uint32_t>(pieces), 0));
  ++wake_;
  if (sleepers_.load() > 0) wake_.notify_all();

  work_on(generation);
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    if (spins < kFinishSpins)
      pause_briefly();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::work_on(uint32_t generation) {
  uint64_t job = job_.load(std::memory_order_acquire);
  while (generation_of(job) == generation && next_of(job) < pieces_of(job)) {
    if (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel)) continue;
    function_(context_, static_cast<int>(next_of(job)));
    unfinished_.fetch_sub(1, std::memory_order_release);
    job = job_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker() {
  while (!stop_) {
    const uint32_t seen = wake_.load();
    const uint64_t job = job_.load(std::memory_order_acquire);
    if (next_of(job) < pieces_of(job)) {
      work_on(generation_of(job));
      continue;
    }
    for (int spins = 0; spins < kIdleSpins && wake_.load(std::memory_order_relaxed) == seen;
         ++spins)
      pause_briefly();
    if (wake_.load() != seen) continue;
    ++sleepers_;
    wake_.wait(seen);
    --sleepers_;
  }
}

}  // namespace mgqe

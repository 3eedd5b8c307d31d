#include "host/base/thread_pool.hpp"

#include <algorithm>

#include "host/base/parallel.hpp"

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

constexpr uint64_t pack(uint32_t generation, int end, int next) {
  return static_cast<uint64_t>(generation) << 32 | static_cast<uint64_t>(end) << 16 |
         static_cast<uint64_t>(next);
}
constexpr int end_of(uint64_t word) { return static_cast<int>(word >> 16 & 0xFFFF); }
constexpr int next_of(uint64_t word) { return static_cast<int>(word & 0xFFFF); }

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool pool(thread_count());
  return pool;
}

ThreadPool::ThreadPool(int threads)
    : threads_(std::max(threads, 1)), shares_(std::make_unique<Share[]>(threads_)) {
  for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { worker(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  ++wake_;
  wake_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run_erased(int pieces, Function function, const void* context) {
  if (workers_.empty() || pieces < 2 || running_.exchange(true, std::memory_order_acquire)) {
    for (int piece = 0; piece < pieces; ++piece) function(context, piece);
    return;
  }
  function_ = function;
  context_ = context;
  unfinished_.store(pieces, std::memory_order_relaxed);
  ++generation_;
  for (int i = threads_ - 1; i >= 0; --i)
    shares_[i].word.store(pack(generation_, pieces * (i + 1) / threads_, pieces * i / threads_),
                          std::memory_order_release);
  // Either this sees the worker asleep, or the worker, before it sleeps, its share.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_relaxed) > 0) {
    ++wake_;
    wake_.notify_all();
  }

  work(0);
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    if (spins < kFinishSpins)
      pause_briefly();
    else
      std::this_thread::yield();
  }
  running_.store(false, std::memory_order_release);
}

int ThreadPool::work_on(Share& share) {
  int done = 0;
  uint64_t word = share.word.load(std::memory_order_acquire);
  while (next_of(word) < end_of(word)) {
    if (!share.word.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel)) continue;
    function_(context_, next_of(word));
    ++done;
    word = share.word.load(std::memory_order_acquire);
  }
  return done;
}

void ThreadPool::work(int thread) {
  int done = 0;
  for (int i = 0; i < threads_; ++i) done += work_on(shares_[(thread + i) % threads_]);
  if (done > 0) unfinished_.fetch_sub(done, std::memory_order_release);
}

void ThreadPool::worker(int thread) {
  const std::atomic<uint64_t>& own = shares_[thread].word;
  while (!stop_) {
    const uint64_t seen = own.load(std::memory_order_acquire);
    work(thread);
    for (int spins = 0;
         spins < kIdleSpins && own.load(std::memory_order_relaxed) >> 32 == seen >> 32; ++spins)
      pause_briefly();
    const auto changed = [&] { return own.load(std::memory_order_acquire) >> 32 != seen >> 32; };
    if (changed()) continue;
    const uint32_t wake = wake_.load();
    ++sleepers_;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!changed() && !stop_) wake_.wait(wake);
    --sleepers_;
  }
}

}  // namespace mgqe

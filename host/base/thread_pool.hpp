// ThreadPool: splits a small piece of work over threads without ever waiting for one that is late.
//
// A training step is a dozen regions of ten to a hundred microseconds. OpenMP ends each with a
// barrier that all threads must reach; where another process holds one of the cores, each barrier
// then lasts a scheduler's time slice, and a step takes fifty times as long. Here pieces are
// claimed one by one: the caller works through them itself, a worker that is awake takes some off
// it, and the caller waits only for pieces that a worker has already begun.
//
// Each thread begins with a share of its own, the same piece numbers in every run, and helps the
// others when it has done them. So what one region left in a core's caches is mostly there for the
// next, and threads meet on a cache line only at the ends of a region.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace mgqe {

class ThreadPool {
 public:
  /// The process's pool, of thread_count() threads when it is first asked for.
  static ThreadPool& instance();

  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  /// Calls task(0) ... task(pieces - 1), each once, in any order and on any thread; pieces <=
  /// 65535. Returns when all are done. Tasks must not throw. Called while another run is under way
  /// (from a task, or from another thread), it does all of them on the calling thread.
  template <class Task>
  void run(int pieces, const Task& task) {
    run_erased(
        pieces, [](const void* context, int piece) { (*static_cast<const Task*>(context))(piece); },
        &task);
  }

 private:
  using Function = void (*)(const void* context, int piece);
  static constexpr size_t kLineBytes = 64;

  /// A thread's share of the open job, in one word so that a claim cannot cross from one job to the
  /// next: generation (32 bits), end (16), next piece to claim (16).
  struct alignas(kLineBytes) Share {
    std::atomic<uint64_t> word{0};
  };

  void run_erased(int pieces, Function function, const void* context);
  /// Claims and does what is left of one share; how many pieces that were.
  int work_on(Share& share);
  /// Own share first, then the others'.
  void work(int thread);
  void worker(int thread);

  // Written before a share is opened, read only after a claim on it: the job then cannot have
  // ended.
  alignas(kLineBytes) Function function_ = nullptr;
  const void* context_ = nullptr;
  alignas(kLineBytes) std::atomic<int> unfinished_{0};
  alignas(kLineBytes) std::atomic<uint32_t> wake_{0};  // sleepers wait for it to change
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  alignas(kLineBytes) std::atomic<bool> running_{false};  // a job is open
  uint32_t generation_ = 0;                               // of the last job

  int threads_;                       // the caller is thread 0
  std::unique_ptr<Share[]> shares_;   // one a thread
  std::vector<std::thread> workers_;  // threads 1 ...
};

}  // namespace mgqe

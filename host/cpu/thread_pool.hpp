// ThreadPool: splits a small piece of work over threads without ever waiting for one that is late.
//
// A training step is a dozen regions of ten to a hundred microseconds. OpenMP ends each with a
// barrier that all threads must reach; where another process holds one of the cores, each barrier
// then lasts a scheduler's time slice, and a step takes fifty times as long. Here pieces are
// claimed one by one: the caller works through them itself, a worker that is awake takes some off
// it, and the caller waits only for pieces that a worker has already begun.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace mgqe {

class ThreadPool {
 public:
  /// The process's pool. Its size is OpenMP's (OMP_NUM_THREADS, else the cores of this process).
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

  void run_erased(int pieces, Function function, const void* context);
  /// Claims and does pieces of the job of `generation` until none is left.
  void work_on(uint32_t generation);
  void worker();

  // The open job, in one word so that a claim cannot cross from one job to the next:
  // generation (32 bits), pieces (16), next piece to claim (16).
  std::atomic<uint64_t> job_{0};
  // Written before job_ is opened, read only after a claim on it: the job then cannot have ended.
  Function function_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<int> unfinished_{0};

  std::atomic<uint32_t> wake_{0};  // changes with every job; sleepers wait on it
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::mutex running_;  // held by the thread whose job is open
  std::vector<std::thread> workers_;
};

}  // namespace mgqe

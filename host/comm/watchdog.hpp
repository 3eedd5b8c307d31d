// Watchdog: ends the job when a rank has died or hangs, instead of leaving the others waiting for
// it. A thread of each rank reports to rank 0 every second and hears from it; the one that stays
// silent, or stays out of an exchange that the others wait in, is named with its last step. A
// launcher that sees a rank die is faster: it names the rank and tells the others to end, and those
// that wait for it say in which step.
//
// A rank that waits for its device says so too, and what is seen of the device's progress: where a
// step does not get on, the rank whose device hangs in work of its own is named before those whose
// devices wait for it in an exchange.
//
// MGQE_WATCHDOG_SECONDS: how long before that (default 45; 0: never). A rank that computes between
// steps (loading, evaluation, writing) is not stuck as long as its thread is heard of.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace mgqe {

class Watchdog {
 public:
  /// Collective; needs MPI with MPI_THREAD_MULTIPLE, else it warns and watches nothing.
  Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Collective.
  ~Watchdog();

  void begin_step(uint64_t step);
  void between_steps();

  // ---- as DeviceWatch has them (host/engine/device_watch.hpp)
  void begin_device_wait();
  void end_device_wait() noexcept;
  void device_got_on();
  void device_waits_for_ranks(bool waits);

  /// This rank is in an exchange as long as it lives.
  class Waiting {
   public:
    /// what: a literal, "a sum over ranks".
    Waiting(Watchdog& watchdog, const char* what);
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting();

   private:
    Watchdog& watchdog_;
  };

 private:
  struct Thread;

  // What the main thread is at.
  std::atomic<uint64_t> step_{0};
  std::atomic<bool> training_{false};
  std::atomic<uint64_t> exchanges_{0};  // entered so far
  std::atomic<const char*> in_{nullptr};
  std::atomic<int64_t> since_{0};     // nanoseconds of the steady clock: begin of this state
  std::atomic<int> device_waits_{0};  // one within the other
  std::atomic<int64_t> device_since_{0};
  std::atomic<bool> device_for_ranks_{false};
  std::unique_ptr<Thread> thread_;
};

}  // namespace mgqe

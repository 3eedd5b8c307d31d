// The host's waits for a device. Alone, as CUDA has them. Among ranks, what a stream waits for may
// never come: a rank is gone, a link is down, a kernel hangs. So streams are polled there, inside a
// wait that the watchdog of the ranks knows of, with a look at what the exchanges' library has met.
//
// The polls: a moment of asking without pause, as cudaStreamSynchronize does, then with naps, so
// that ranks which share a core let each other on. What they add to a wait has not been measured on
// a GPU.
#pragma once

#include <chrono>
#include <thread>

#include "cuda/check.cuh"
#include "host/engine/device_watch.hpp"

namespace mgqe {

/// A wait that the watchdog knows of, as long as it lives; of nobody where there is no watch.
class WatchedWait {
 public:
  explicit WatchedWait(DeviceWatch* watch) : watch_(watch) {
    if (watch_ != nullptr) watch_->begin_device_wait();
  }
  WatchedWait(const WatchedWait&) = delete;
  WatchedWait& operator=(const WatchedWait&) = delete;
  ~WatchedWait() {
    if (watch_ != nullptr) watch_->end_device_wait();
  }

 private:
  DeviceWatch* watch_;
};

/// Asks done() until it says so or `patience` is over, which is what it returns false for; check()
/// in between, ten times a second.
template <class Done, class Check>
bool poll(std::chrono::nanoseconds patience, const Done& done, const Check& check) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kSpin = std::chrono::milliseconds(1);
  constexpr auto kNap = std::chrono::microseconds(20);
  constexpr auto kBetweenChecks = std::chrono::milliseconds(100);
  const auto began = Clock::now();
  auto checked = began;
  while (!done()) {
    const auto now = Clock::now();
    if (now - began > patience) return false;
    if (now - checked > kBetweenChecks) {
      check();
      checked = now;
    }
    if (now - began > kSpin) std::this_thread::sleep_for(kNap);
  }
  return true;
}

/// Whether all that the stream was given is done; DeviceError where it has failed.
inline bool is_done(cudaStream_t stream) {
  const cudaError_t status = cudaStreamQuery(stream);
  if (status == cudaErrorNotReady) {
    static_cast<void>(cudaGetLastError());  // no error: the next launch must not report it
    return false;
  }
  MGQE_CUDA(status, "a stream");
  return true;
}

/// Returns once all that the stream was given is done.
inline void wait_for_stream(cudaStream_t stream, DeviceWatch* watch) {
  if (watch == nullptr) {
    MGQE_CUDA(cudaStreamSynchronize(stream));
    return;
  }
  const WatchedWait wait(watch);
  poll(
      std::chrono::nanoseconds::max(), [&] { return is_done(stream); },
      [&] { watch->check_device(); });
}

/// How long what unwinds waits for its device: work under way takes less, unless it hangs.
inline constexpr std::chrono::seconds kUnwindingPatience{5};

}  // namespace mgqe

// Event: a place in a stream, which another stream waits for, or which is timed.
#pragma once

#include <utility>

#include "cuda/check.cuh"

namespace mgqe {

class Event {
 public:
  explicit Event(unsigned flags = cudaEventDisableTiming) {
    MGQE_CUDA(cudaEventCreateWithFlags(&event_, flags));
  }
  ~Event() {
    if (event_ != nullptr) static_cast<void>(cudaEventDestroy(event_));
  }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  void record(cudaStream_t stream) { MGQE_CUDA(cudaEventRecord(event_, stream)); }
  void hold_back(cudaStream_t stream) const { MGQE_CUDA(cudaStreamWaitEvent(stream, event_)); }
  bool is_reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // no error: the next launch must not report it
      return false;
    }
    MGQE_CUDA(status, "an event");
    return true;
  }
  /// Both have been reached.
  double seconds_since(const Event& start) const {
    float milliseconds = 0.0f;
    MGQE_CUDA(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace mgqe

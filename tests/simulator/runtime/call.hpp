// What every call of the runtime does: it holds the device's lock, and returns the error of earlier
// work from the first fault on.
#pragma once

#include <cstdint>

#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/work.hpp"

namespace simulator {

/// Before anything else: memory is reserved, and what is left at the end is looked for.
void start();
/// The error, kept as the thread's last one.
cudaError_t returned(cudaError_t);

template <class Body>
cudaError_t call(const Body& body) {
  start();
  const std::lock_guard<std::recursive_mutex> hold(device_lock);
  if (sticky_error() != cudaSuccess) return returned(sticky_error());
  try {
    const cudaError_t error = body();
    return returned(error != cudaSuccess ? error : sticky_error());
  } catch (const Fault&) {
    return returned(cudaErrorInvalidValue);
  }
}

/// What there is of each, and what there was of launches.
struct Counts {
  int events = 0, graphs = 0;
  int endless = 0;  // kernels
  int64_t launches = 0, allocations = 0;
  int64_t launches_before_failure = -1;  // of an exchange between ranks; -1: none has failed
};
extern Counts counts;

}  // namespace simulator

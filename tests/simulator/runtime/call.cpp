#include "tests/simulator/runtime/call.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/races.hpp"

namespace simulator {

Counts counts;

namespace {

thread_local cudaError_t last_error = cudaSuccess;

/// What is left at the end of the process is a leak.
void look_back() {
  if (options().verbose)
    std::fprintf(stderr, "simulated device: %lld launches\n",
                 static_cast<long long>(counts.launches));
  if (faults_reported() == 0 && sticky_error() == cudaSuccess) {
    const std::vector<std::string> left = leaks();
    for (const std::string& one : left)
      std::fprintf(stderr, "simulated device: never freed: %s\n", one.c_str());
    if (!left.empty()) report(fmt::format("{} allocations were never freed", left.size()));
    if (live_streams() + counts.events + counts.graphs > 0)
      report(fmt::format("{} streams, {} events and {} graphs were never destroyed", live_streams(),
                         counts.events, counts.graphs));
  }
  std::fflush(nullptr);
  if (faults_reported() > 0) _Exit(kFaultExitCode);
}

}  // namespace

void start() {
  static const bool started = [] {
    reserve_memory();
    reserve_records();
    std::atexit(look_back);
    return true;
  }();
  static_cast<void>(started);
}

cudaError_t returned(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

}  // namespace simulator

using namespace simulator;

cudaError_t cudaGetLastError() {
  return sticky_error() != cudaSuccess ? sticky_error() : std::exchange(last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return sticky_error() != cudaSuccess ? sticky_error() : last_error;
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define NAME(e) \
  case e:       \
    return #e;
    NAME(cudaSuccess)
    NAME(cudaErrorInvalidValue)
    NAME(cudaErrorMemoryAllocation)
    NAME(cudaErrorInvalidConfiguration)
    NAME(cudaErrorInsufficientDriver)
    NAME(cudaErrorDevicesUnavailable)
    NAME(cudaErrorNoKernelImageForDevice)
    NAME(cudaErrorNoDevice)
    NAME(cudaErrorInvalidDevice)
    NAME(cudaErrorInvalidResourceHandle)
    NAME(cudaErrorNotReady)
    NAME(cudaErrorIllegalAddress)
    NAME(cudaErrorLaunchOutOfResources)
    NAME(cudaErrorMisalignedAddress)
    NAME(cudaErrorLaunchFailure)
    NAME(cudaErrorStreamCaptureUnsupported)
    NAME(cudaErrorStreamCaptureInvalidated)
    NAME(cudaErrorStreamCaptureMerge)
    NAME(cudaErrorStreamCaptureUnmatched)
    NAME(cudaErrorStreamCaptureUnjoined)
    NAME(cudaErrorStreamCaptureIsolation)
    NAME(cudaErrorStreamCaptureImplicit)
    NAME(cudaErrorCapturedEvent)
    NAME(cudaErrorStreamCaptureWrongThread)
#undef NAME
  }
  return "unknown";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

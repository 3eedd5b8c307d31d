// The CUDA runtime's calls. Each holds the device's lock, and returns the error of earlier work
// from the first fault on.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "tests/simulator/include/simulated_library.h"
#include "tests/simulator/runtime/access.hpp"
#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/kernel.hpp"
#include "tests/simulator/runtime/limits.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/races.hpp"
#include "tests/simulator/runtime/symbols.hpp"
#include "tests/simulator/runtime/work.hpp"

namespace simulator {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int device = 0;
int open_ranges = 0;
int64_t launches = 0;
int live_events = 0, live_graphs = 0;

/// What is left at the end of the process is a leak.
void look_back() {
  if (options().verbose)
    std::fprintf(stderr, "simulated device: %lld launches\n", static_cast<long long>(launches));
  if (faults_reported() == 0) {
    const std::vector<std::string> left = leaks();
    for (const std::string& one : left)
      std::fprintf(stderr, "simulated device: never freed: %s\n", one.c_str());
    if (!left.empty()) report(fmt::format("{} allocations were never freed", left.size()));
    if (live_streams() + live_events + live_graphs > 0)
      report(fmt::format("{} streams, {} events and {} graphs were never destroyed", live_streams(),
                         live_events, live_graphs));
  }
  if (faults_reported() > 0) _Exit(kFaultExitCode);
}

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

bool is_device(int number) { return number >= 0 && number < options().devices; }

cudaStream_t alive(cudaStream_t s, const char* what) {
  if (s == nullptr) fault(fmt::format("{} of the legacy default stream", what));
  if (!is_alive(s))
    fault(fmt::format("{} of a stream that was never made, or was destroyed", what));
  return s;
}

}  // namespace

int current_device() { return device; }

void count_ranges(int change) {
  open_ranges += change;
  if (open_ranges < 0) fault("nvtxRangePop without a range that was pushed");
}

// ---- for the libraries --------------------------------------------------------------------------
cudaError_t enqueue(const std::string& what, cudaStream_t stream, std::function<void()> work) {
  return call([&] {
    Task task(Task::kWork);
    task.name = keep(what);
    task.work = std::move(work);
    return enqueue(stream, std::move(task));
  });
}
const void* read_bytes(const void* p, size_t bytes) {
  check_range(p, bytes, Range::kRead);
  return p;
}
void* written_bytes(void* p, size_t bytes) {
  check_range(p, bytes, Range::kWritten);
  return p;
}
void clobber(void* p, size_t bytes) {
  check_range(p, bytes, Range::kWritten);
  std::memset(p, 0xFF, bytes);
  set_written(p, bytes, false);
}
void library_fault(const std::string& what) { fault(*running_op().name + ": " + what); }
bool on_device(const void* p) { return arena != 0 && in_arena(p); }
bool asked_for_scratch(const char* what, void* scratch, size_t& bytes, size_t needed) {
  if (scratch == nullptr) {
    bytes = needed;
    return true;
  }
  if (bytes < needed)
    fault(fmt::format("{}: {} bytes of scratch, of the {} it asked for", what, bytes, needed));
  return false;
}

// ---- launches -----------------------------------------------------------------------------------
namespace {

const std::string* name_of(const Launch& launch) {
  static std::map<std::pair<const void*, int>, const std::string*> names;
  const std::string*& name = names[{launch.kernel, launch.line}];
  if (name == nullptr)
    name = keep(fmt::format("{} ({}:{})", function_name(launch.kernel), launch.file, launch.line));
  return name;
}

}  // namespace

void enqueue(const Launch& launch, cudaStream_t stream) {
  call([&] {
    ++launches;
    if (const Refusal refusal = refuse_launch(launch); refusal.error != cudaSuccess) {
      report(fmt::format("a launch at {}:{}: {}", launch.file, launch.line, refusal.why));
      return refusal.error;
    }
    Task task(Task::kWork);
    task.name = name_of(launch);
    const uint64_t seed = draw();
    task.work = [launch, seed] { run_kernel(launch, seed); };
    return enqueue(stream, std::move(task));
  });
}
cudaError_t set_attribute(const void* kernel, cudaFuncAttribute which, int value) {
  return call([&] {
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    const Refusal refusal = set_dynamic_limit(kernel, value);
    if (refusal.error != cudaSuccess) report("cudaFuncSetAttribute: " + refusal.why);
    return refusal.error;
  });
}

}  // namespace simulator

using namespace simulator;

// ---- devices ------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    *count = options().devices;
    return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
  });
}
cudaError_t cudaSetDevice(int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    device = number;
    return cudaSuccess;
  });
}
cudaError_t cudaGetDevice(int* number) {
  *number = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    switch (which) {
      case cudaDevAttrMultiProcessorCount:
        *value = options().multiprocessors;
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = kThreadsPerMultiprocessor;
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerBlock:
        *value = 1024;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor:
        *value = options().architecture / 10;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = options().architecture % 10;
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(shared_opt_in());
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
  });
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    *properties = {};
    std::strcpy(properties->name, "Simulated device");
    properties->totalGlobalMem = kDeviceBytes;
    properties->multiProcessorCount = options().multiprocessors;
    properties->major = options().architecture / 10;
    properties->minor = options().architecture % 10;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    std::snprintf(text, static_cast<size_t>(length), "0000:%02x:00.0", number + 1);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call([&] {
    *total = kDeviceBytes;
    *free = kDeviceBytes - bytes_in_use(device);
    return cudaSuccess;
  });
}
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

// ---- memory -------------------------------------------------------------------------------------
cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call([&] {
    if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
    *pointer = bytes == 0 ? nullptr : allocate(bytes, device);
    return bytes > 0 && *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}
cudaError_t cudaFree(void* pointer) {
  return call([&] {
    if (pointer == nullptr) return cudaSuccess;
    if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
    wait_for_all();
    if (!release(pointer)) fault("cudaFree of " + describe(pointer));
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
  return call([&] {
    const bool to_device = on_device(to), from_device = on_device(from);
    const cudaMemcpyKind fits =
        to_device     ? from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice
        : from_device ? cudaMemcpyDeviceToHost
                      : cudaMemcpyHostToHost;
    if (bytes == 0) return cudaSuccess;
    if (kind != fits && kind != cudaMemcpyDefault)
      fault(fmt::format("cudaMemcpyAsync of another kind than from {} to {}", describe(from),
                        describe(to)));
    if (fits != cudaMemcpyDeviceToDevice && s != nullptr && s->capture) {
      s->capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    Task task(Task::kWork);
    switch (fits) {
      case cudaMemcpyDeviceToDevice:
        task.name = keep("cudaMemcpyAsync on the device");
        task.work = [=] { copy_bytes(to, from, bytes); };
        return enqueue(s, std::move(task));
      case cudaMemcpyHostToDevice: {  // pageable memory is staged before the call returns
        task.name = keep("cudaMemcpyAsync to the device");
        const auto* const begin = static_cast<const char*>(from);
        task.work = [=, staged = std::vector<char>(begin, begin + bytes)] {
          std::memcpy(written_bytes(to, bytes), staged.data(), bytes);
        };
        return enqueue(s, std::move(task));
      }
      default: {
        task.name = keep("cudaMemcpyAsync to the host");
        task.work = [=] {
          check_range(from, bytes, Range::kCopied);
          std::memcpy(to, from, bytes);
        };
        const cudaError_t error = enqueue(s, std::move(task));
        if (error == cudaSuccess) wait_for(s);
        return error;
      }
    }
  });
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t s) {
  return call([&] {
    if (bytes == 0) return cudaSuccess;
    if (!on_device(to)) fault("cudaMemsetAsync of " + describe(to));
    Task task(Task::kWork);
    task.name = keep("cudaMemsetAsync");
    task.work = [=] { std::memset(written_bytes(to, bytes), value, bytes); };
    return enqueue(s, std::move(task));
  });
}

// ---- streams and events -------------------------------------------------------------------------
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int priority) {
  return call([&] { return make_stream(flags, priority, *s); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  return cudaStreamCreateWithPriority(s, flags, 0);
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  return call([&] {
    destroy_stream(alive(s, "cudaStreamDestroy"));
    return cudaSuccess;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  return call([&] {
    alive(s, "cudaStreamSynchronize");
    if (s->capture) {
      s->capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    wait_for(s);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamQuery(cudaStream_t s) {
  return call([&] {
    alive(s, "cudaStreamQuery");
    make_some_progress();
    if (!s->queue.empty()) return cudaErrorNotReady;
    learn(s->clock);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceSynchronize() {
  return call([&] {
    if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
    wait_for_all();
    return cudaSuccess;
  });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call([&] {
    *event = new SimulatedEvent;
    (*event)->flags = flags;
    ++live_events;
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&] {
    delete event;
    --live_events;
    return cudaSuccess;
  });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t s) {
  return call([&] {
    alive(s, "cudaEventRecord");
    event->capture = s->capture;
    event->nodes = s->tail;
    event->milestone = nullptr;
    if (s->capture) return s->capture->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    event->milestone = std::make_shared<Milestone>();
    Task task(Task::kReach);
    task.milestone = event->milestone;
    return enqueue(s, std::move(task));
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t event, unsigned) {
  return call([&] {
    alive(s, "cudaStreamWaitEvent");
    if (event->capture) {
      if (!s->capture) {  // joins the capture
        s->capture = event->capture;
        s->tail = event->nodes;
        s->capture->streams.push_back(s);
        return cudaSuccess;
      }
      if (s->capture != event->capture) {
        s->capture->invalid = event->capture->invalid = true;
        return cudaErrorStreamCaptureMerge;
      }
      for (const int node : event->nodes)
        if (std::find(s->tail.begin(), s->tail.end(), node) == s->tail.end())
          s->tail.push_back(node);
      return cudaSuccess;
    }
    if (!event->milestone) return cudaSuccess;  // never recorded
    if (s->capture) {
      s->capture->invalid = true;
      report("a stream that is captured waits for an event from outside of the capture");
      return cudaErrorStreamCaptureIsolation;
    }
    Task task(Task::kAwait);
    task.milestone = event->milestone;
    return enqueue(s, std::move(task));
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (event->capture) {
      event->capture->invalid = true;
      return cudaErrorCapturedEvent;
    }
    if (const auto milestone = event->milestone) wait_for(*milestone);
    return cudaSuccess;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] {
    make_some_progress();
    if (!event->milestone) return cudaSuccess;
    if (!event->milestone->reached) return cudaErrorNotReady;
    learn(event->milestone->clock);
    return cudaSuccess;
  });
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return call([&] {
    if (!begin->milestone || !end->milestone ||
        ((begin->flags | end->flags) & cudaEventDisableTiming) != 0)
      return cudaErrorInvalidResourceHandle;
    if (!begin->milestone->reached || !end->milestone->reached) return cudaErrorNotReady;
    const int64_t passed = end->milestone->nanoseconds - begin->milestone->nanoseconds;
    *milliseconds = std::max(1e-6f, static_cast<float>(passed) * 1e-6f);
    return cudaSuccess;
  });
}

// ---- graphs -------------------------------------------------------------------------------------
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  return call([&] {
    alive(s, "cudaStreamBeginCapture");
    if (s->capture) return cudaErrorStreamCaptureUnsupported;
    begin_capture(s);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  return call([&] {
    alive(s, "cudaStreamIsCapturing");
    *status = !s->capture           ? cudaStreamCaptureStatusNone
              : s->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                    : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  return call([&] {
    *graph = nullptr;
    std::shared_ptr<const Capture> capture;
    const cudaError_t error = end_capture(alive(s, "cudaStreamEndCapture"), capture);
    if (error != cudaSuccess) return error;
    *graph = new SimulatedGraph{std::move(capture)};
    ++live_graphs;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    *made = new SimulatedGraphExec{graph->capture};
    ++live_graphs;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t s) {
  return call([&] {
    Task task(Task::kWork);
    task.name = keep("cudaGraphLaunch");
    task.graph = graph->capture;
    const cudaError_t error = enqueue(s, std::move(task));
    if (graph->capture->communicates) run_now(s);
    return error;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call([&] {
    delete graph;
    --live_graphs;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  return call([&] {
    delete graph;
    --live_graphs;
    return cudaSuccess;
  });
}

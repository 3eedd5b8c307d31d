// The CUDA runtime's calls about streams, events and graphs.
#include <algorithm>

#include <fmt/format.h>

#include "tests/simulator/runtime/call.hpp"

using namespace simulator;

namespace {

cudaStream_t alive(cudaStream_t s, const char* what) {
  if (s == nullptr) fault(fmt::format("{} of the legacy default stream", what));
  if (!is_alive(s))
    fault(fmt::format("{} of a stream that was never made, or was destroyed", what));
  return s;
}

}  // namespace

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
    make_progress();
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
    ++counts.events;
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&] {
    delete event;
    --counts.events;
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
    ++counts.graphs;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    *made = new SimulatedGraphExec{graph->capture};
    ++counts.graphs;
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
    --counts.graphs;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  return call([&] {
    delete graph;
    --counts.graphs;
    return cudaSuccess;
  });
}

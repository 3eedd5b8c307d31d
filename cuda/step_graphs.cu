// Training steps as CUDA graphs: the back end's stream is captured while a step's body runs, the
// graph is instantiated once and launched from then on.
//
// A step of the paper's batch is some thirty launches of a few microseconds of work each, so the
// host's share of a launch is what it costs; a graph of 16 steps is one call of the host. Which
// steps are recorded, and when, is RecordedSteps' business; here is only how. What a body must not
// do while it is captured (allocate, copy to or from the host, wait) is refused with an Error by
// the calls themselves (refuse_in_capture). Any op sequence; capture holds for this thread alone,
// so several back ends may train in several threads. Not yet run on a GPU.
//
// Weighed and left: building the graph node by node (every op would need a second form);
// conditional WHILE nodes that loop on the device (one launch an epoch, but 16 steps a launch leave
// little to win, and they need CUDA 12.4); updating a graph in place for another shape (a run has
// two: full batches and the last one).
#include "cuda/step_graphs.cuh"

namespace mgqe {
namespace {

/// A stream being captured; a capture that is not finished (an op threw) is thrown away.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    MGQE_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (!finished_ && cudaStreamEndCapture(stream_, &graph_) != cudaSuccess)
      static_cast<void>(cudaGetLastError());  // of the step that is being unwound, reported there
    if (graph_ != nullptr) static_cast<void>(cudaGraphDestroy(graph_));
  }

  cudaGraph_t finish() {
    finished_ = true;
    MGQE_CUDA(cudaStreamEndCapture(stream_, &graph_),
              "something in the step cannot be recorded: it waited, or freed memory");
    return graph_;
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  bool finished_ = false;
};

class Graph final : public RecordedSteps::Recording {
 public:
  Graph(CudaBackend& backend, cudaGraph_t graph) : backend_(backend) {
    MGQE_CUDA(cudaGraphInstantiate(&executable_, graph, 0));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  // One that is still running is freed when it ends.
  ~Graph() override { static_cast<void>(cudaGraphExecDestroy(executable_)); }

  void repeat() override { MGQE_CUDA(cudaGraphLaunch(executable_, backend_.stream())); }

 private:
  CudaBackend& backend_;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace

std::unique_ptr<RecordedSteps::Recording> StepGraphs::record(const StepBody& body, int64_t times) {
  Capture capture(backend_.stream());
  for (int64_t step = 0; step < times; ++step) body();
  return std::make_unique<Graph>(backend_, capture.finish());
}

std::unique_ptr<StepRunner> CudaBackend::make_step_runner() {
  if (!steps_are_recorded()) return std::make_unique<EagerSteps>();
  return std::make_unique<StepGraphs>(*this);
}

}  // namespace mgqe

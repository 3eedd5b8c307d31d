#include "tests/simulator/runtime/work.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/races.hpp"

namespace simulator {

std::recursive_mutex device_lock;

namespace {

std::mt19937_64 draws(options().seed);
std::vector<cudaStream_t> streams;
bool number_taken[kMaxStreams];
uint32_t numbers_given[kMaxStreams];  // to ops of each stream
uint32_t graph_launches = 0;
Clock host_clock;
cudaError_t sticky = cudaSuccess;
std::vector<std::shared_ptr<Capture>> captures;  // under way
bool draining = false;

int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

bool can_run(cudaStream_t s) {
  if (s->queue.empty()) return false;
  const Task& front = s->queue.front();
  if (front.ready != nullptr && sticky == cudaSuccess && !front.ready()) return false;
  return front.kind != Task::kAwait || front.milestone->reached;
}

/// Whether some stream waits for what comes from outside of the device.
bool one_waits_outside() {
  return std::any_of(streams.begin(), streams.end(), [](cudaStream_t s) {
    return !s->queue.empty() && s->queue.front().ready != nullptr;
  });
}

void run_body(const std::function<void()>& work) {
  if (sticky != cudaSuccess) return;  // nothing runs after a fault
  try {
    work();
  } catch (const Fault&) {
    sticky = cudaErrorIllegalAddress;
  }
}

void begin(cudaStream_t s, uint32_t number, const std::string* name, const Capture* graph,
           uint32_t launch, int node, int nodes_done) {
  Op op{};
  op.first_segment = next_segment();
  op.stream = s->number;
  op.number = number;
  op.graph_launch = launch;
  op.node = node;
  op.name = name;
  begin_op(op, s->clock, graph != nullptr ? &graph->ancestors : nullptr, nodes_done);
  begin_segments_of_op(op.first_segment);
  run_on_device(s->device);
}

/// Nodes in any order that their edges allow.
void run_graph(cudaStream_t s, uint32_t number, const Capture& graph) {
  const uint32_t launch = ++graph_launches;
  const size_t count = graph.nodes.size();
  std::vector<int> waits_for(count), able;
  std::vector<std::vector<int>> followers(count);
  for (size_t n = 0; n < count; ++n) {
    waits_for[n] = static_cast<int>(graph.nodes[n].after.size());
    if (waits_for[n] == 0) able.push_back(static_cast<int>(n));
    for (const int a : graph.nodes[n].after) followers[a].push_back(static_cast<int>(n));
  }
  for (int done = 0; !able.empty(); ++done) {
    std::swap(able[draw() % able.size()], able.back());
    const int n = able.back();
    able.pop_back();
    begin(s, number, graph.nodes[n].name, &graph, launch, n, done);
    run_body(graph.nodes[n].work);
    for (const int f : followers[n])
      if (--waits_for[f] == 0) able.push_back(f);
  }
}

void run_front(cudaStream_t s) {
  const Task task = std::move(s->queue.front());
  s->queue.pop_front();
  s->clock.join(task.issued);
  switch (task.kind) {
    case Task::kAwait:
      s->clock.join(task.milestone->clock);
      break;
    case Task::kReach:
      task.milestone->clock = s->clock;
      task.milestone->nanoseconds = now();
      task.milestone->reached = true;
      break;
    case Task::kWork: {
      const uint32_t number = ++numbers_given[s->number];
      if (task.graph) {
        run_graph(s, number, *task.graph);
      } else {
        begin(s, number, task.name, nullptr, 0, 0, 0);
        run_body(task.work);
      }
      s->clock.at[s->number] = number;
    }
  }
}

/// One task of a stream that can go on; of `rather` where it can, of `not_this` only where no other
/// can. False: none can.
bool run_one(cudaStream_t rather, cudaStream_t not_this) {
  std::vector<cudaStream_t> able;
  for (cudaStream_t s : streams)
    if (can_run(s)) able.push_back(s);
  if (able.empty()) return false;
  if (rather != nullptr && can_run(rather)) {
    run_front(rather);
    return true;
  }
  if (able.size() > 1) std::erase(able, not_this);
  run_front(able[draw() % able.size()]);
  return true;
}

class Draining {
 public:
  Draining() : before_(std::exchange(draining, true)) {}
  ~Draining() { draining = before_; }

 private:
  bool before_;
  OpenMemory open_;
};

template <class Done>
void drain_until(cudaStream_t stream, const Done& done) {
  if (done()) return;
  const Draining under_way;
  // What is asked for alone; whatever comes; everything but one stream, which lags.
  const uint64_t mood = draw() % 3;
  cudaStream_t const slow = mood == 2 ? streams[draw() % streams.size()] : nullptr;
  while (!done()) {
    if (run_one(mood == 0 ? stream : nullptr, slow)) continue;
    if (one_waits_outside()) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      continue;
    }
    report("deadlock: what the host waits for can never run");
    sticky = cudaErrorLaunchFailure;
    return;
  }
}

}  // namespace

uint64_t draw() { return draws(); }
void learn(const Clock& clock) { host_clock.join(clock); }
cudaError_t sticky_error() { return sticky; }
void give_up(cudaError_t error) { sticky = error; }

const std::string* keep(const std::string& name) {
  static std::set<std::string> names;
  return &*names.insert(name).first;
}

cudaError_t make_stream(unsigned flags, int, cudaStream_t& made) {
  if (!(flags & cudaStreamNonBlocking))
    fault("a stream that waits for the legacy default stream is not simulated");
  int number = 0;
  while (number < kMaxStreams && number_taken[number]) ++number;
  if (number == kMaxStreams) fault("more streams than are simulated");
  number_taken[number] = true;
  made = new SimulatedStream;
  made->number = number;
  made->device = current_device();
  made->clock = host_clock;
  streams.push_back(made);
  return cudaSuccess;
}

void destroy_stream(cudaStream_t s) {
  wait_for(s);
  std::erase(streams, s);
  number_taken[s->number] = false;
  delete s;
}

int live_streams() { return static_cast<int>(streams.size()); }

bool is_alive(cudaStream_t s) {
  return std::find(streams.begin(), streams.end(), s) != streams.end();
}

cudaError_t enqueue(cudaStream_t s, Task task) {
  if (s == nullptr) fault("the legacy default stream is used: work has a stream of its own here");
  if (!is_alive(s)) fault("a stream that was never made, or was destroyed");
  if (s->device != current_device())
    fault(fmt::format("a stream of device {} is used while device {} is current", s->device,
                      current_device()));
  if (s->capture) {
    if (s->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    Capture& capture = *s->capture;
    if (task.graph) fault("a graph is launched into a capture: not simulated");
    capture.ancestors.add(s->tail);
    capture.nodes.push_back({keep("graph: " + *task.name), std::move(task.work), s->tail});
    s->tail = {static_cast<int>(capture.nodes.size()) - 1};
    return cudaSuccess;
  }
  task.issued = host_clock;
  s->queue.push_back(std::move(task));
  make_some_progress();
  return cudaSuccess;
}

void run_now(cudaStream_t s) {
  drain_until(s, [&] {
    return s->queue.empty() ||
           (counts.endless > 0 && std::none_of(streams.begin(), streams.end(), can_run));
  });
}
void wait_for(cudaStream_t s) {
  drain_until(s, [&] { return s->queue.empty(); });
  learn(s->clock);
}
void wait_for(const Milestone& milestone) {
  drain_until(nullptr, [&] { return milestone.reached; });
  learn(milestone.clock);
}
void wait_for_all() {
  for (cudaStream_t s : std::vector<cudaStream_t>(streams)) wait_for(s);
}

void make_some_progress() {
  if (options().eager || draw() % 32 == 0) make_progress();
}

void make_progress() {
  if (draining) return;
  uint64_t left = options().eager ? UINT64_MAX : 1 + draw() % 24;
  const Draining under_way;
  while (left-- > 0 && run_one(nullptr, nullptr)) {
  }
}

bool refused_while_capturing() {
  bool refused = false;
  for (const auto& capture : captures)
    if (capture->thread == std::this_thread::get_id()) capture->invalid = refused = true;
  return refused;
}

void begin_capture(cudaStream_t s) {
  s->capture = std::make_shared<Capture>();
  s->capture->origin = s;
  s->capture->thread = std::this_thread::get_id();
  s->capture->streams = {s};
  s->tail.clear();
  captures.push_back(s->capture);
}

cudaError_t end_capture(cudaStream_t s, std::shared_ptr<const Capture>& graph) {
  const std::shared_ptr<Capture> capture = s->capture;
  if (!capture || capture->origin != s) return cudaErrorStreamCaptureUnmatched;
  if (capture->thread != std::this_thread::get_id()) return cudaErrorStreamCaptureWrongThread;
  std::erase(captures, capture);
  std::vector<bool> joined(capture->nodes.size());
  for (const int last : s->tail) {
    joined[last] = true;
    for (size_t n = 0; n < joined.size(); ++n)
      if (static_cast<int>(n) < last && capture->ancestors.contain(last, static_cast<int>(n)))
        joined[n] = true;
  }
  for (cudaStream_t other : capture->streams)
    if (is_alive(other) && other->capture == capture) {
      other->capture = nullptr;
      other->tail.clear();
    }
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  const auto open = std::find(joined.begin(), joined.end(), false);
  if (open != joined.end()) {
    report("a capture ends with work of another stream that is not joined: " +
           *capture->nodes[open - joined.begin()].name);
    return cudaErrorStreamCaptureUnjoined;
  }
  graph = capture;
  return cudaSuccess;
}

}  // namespace simulator

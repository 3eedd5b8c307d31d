// Streams, events and graphs. Work is queued and runs later, in this or that order that streams and
// events allow, on whichever host thread waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/simulator/include/cuda_runtime.h"
#include "tests/simulator/runtime/order.hpp"

namespace simulator {

/// Held by every call; work runs under it.
extern std::recursive_mutex device_lock;

/// A place in a stream that an event stands for.
struct Milestone {
  bool reached = false;
  Clock clock;
  int64_t nanoseconds = 0;
};

struct Node {
  const std::string* name;
  std::function<void()> work;
  std::vector<int> after;
};

/// What is recorded of a stream, and of those that joined it, instead of being run.
struct Capture {
  cudaStream_t origin = nullptr;
  std::thread::id thread;
  std::vector<cudaStream_t> streams;
  std::vector<Node> nodes;
  Ancestors ancestors;
  bool invalid = false;
  bool communicates = false;  // with other ranks, which wait for it
};

struct Task {
  enum Kind { kWork, kReach, kAwait };
  explicit Task(Kind kind) : kind(kind) {}

  Kind kind;
  const std::string* name = nullptr;
  std::function<void()> work;
  std::function<bool()> ready;  // what it waits for outside of the device has come; empty: nothing
  std::shared_ptr<Milestone> milestone;
  std::shared_ptr<const Capture> graph;  // of kWork: instead of `work`
  Clock issued;                          // what the host knew when it queued it
};

/// Kept for ever: names outlive what they name.
const std::string* keep(const std::string& name);

bool is_alive(cudaStream_t);
cudaError_t enqueue(cudaStream_t, Task);

/// Until the stream has nothing left; what it did is then known to the host.
void wait_for(cudaStream_t);
void wait_for(const Milestone&);
void wait_for_all();
/// As wait_for, but the host learns nothing of it, nor does it wait for a kernel that never ends.
void run_now(cudaStream_t);
/// Now and then some work runs unasked, as on a GPU.
void make_some_progress();
/// As where the host asks how far the device is, again and again.
void make_progress();

/// The first error that work met; from then on every call returns it.
cudaError_t sticky_error();
/// From here on every call returns that error.
void give_up(cudaError_t error);

/// Captures that this host thread began: calls that are no part of a graph make them invalid.
bool refused_while_capturing();
void begin_capture(cudaStream_t);
cudaError_t end_capture(cudaStream_t, std::shared_ptr<const Capture>&);

/// A draw of the schedule.
uint64_t draw();
void learn(const Clock&);  // what has happened, to the host

int current_device();
cudaError_t make_stream(unsigned flags, int priority, cudaStream_t&);
void destroy_stream(cudaStream_t);
int live_streams();

}  // namespace simulator

struct SimulatedStream {
  int number = 0, device = 0;
  simulator::Clock clock;
  std::deque<simulator::Task> queue;
  std::shared_ptr<simulator::Capture> capture;
  std::vector<int> tail;  // nodes of the capture that the next one follows
};
struct SimulatedEvent {
  unsigned flags = 0;
  std::shared_ptr<simulator::Milestone> milestone;  // of the last record
  std::shared_ptr<simulator::Capture> capture;      // or that record was captured:
  std::vector<int> nodes;
};
struct SimulatedGraph {
  std::shared_ptr<const simulator::Capture> capture;
};
struct SimulatedGraphExec {
  std::shared_ptr<const simulator::Capture> capture;
};

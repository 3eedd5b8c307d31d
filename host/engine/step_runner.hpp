// StepRunner: how a back end runs training steps that repeat. A step of fixed shape is the same
// sequence of ops on the same arrays, because all that changes from step to step (counters, step
// sizes, keys) lives in device memory; a device to which each launch is dear records the sequence
// and repeats the recording.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace mgqe {

/// Steps of one runner that are equal in this make the same op calls with the same arguments.
struct StepShape {
  int64_t examples = 0;
  int phase = 0;  // of the model (Model::phase)
  auto operator<=>(const StepShape&) const = default;
};

/// Nothing but op calls: a runner calls it more or fewer times than steps are run, so whatever the
/// host counts by the step is counted by who called the runner.
using StepBody = std::function<void()>;

class StepRunner {
 public:
  virtual ~StepRunner() = default;
  /// Runs the ops of `body` once or more, up to `limit` times in a row; returns how many times.
  virtual int64_t run(const StepShape& shape, int64_t limit, const StepBody& body) = 0;
};

/// Calls the body for every step.
class EagerSteps final : public StepRunner {
 public:
  int64_t run(const StepShape&, int64_t, const StepBody& body) override {
    body();
    return 1;
  }
};

/// Calls the body for the first step of a shape (scratch grows, libraries load their kernels),
/// records it at the second and repeats recordings from then on: kStepsPerRecording steps of one
/// where so many are left, else one.
class RecordedSteps : public StepRunner {
 public:
  static constexpr int64_t kStepsPerRecording = 16;

  class Recording {
   public:
    virtual ~Recording() = default;
    virtual void repeat() = 0;
  };

  int64_t run(const StepShape& shape, int64_t limit, const StepBody& body) final;

 protected:
  /// The ops of `body`, `times` in a row; runs none of them.
  virtual std::unique_ptr<Recording> record(const StepBody& body, int64_t times) = 0;
  /// A number that changes when arrays which are not the caller's (an op's scratch) have moved:
  /// what was recorded before must not be repeated.
  virtual uint64_t scratch_version() const = 0;

 private:
  struct Recordings {
    std::unique_ptr<Recording> one, many;
  };
  std::map<StepShape, Recordings> shapes_;  // that have been run
  uint64_t recorded_version_ = 0;
};

/// Whether to record at all: not where MGQE_GRAPHS is "off", which makes a profiler's timeline
/// readable op by op. InputError for anything but on and off.
bool steps_are_recorded();

}  // namespace mgqe

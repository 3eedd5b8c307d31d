// LookAhead: among ranks, what a step's ids alone decide (which are distinct, which rows each rank
// asks of which) is worked out while the step before is under way, because the host has to know the
// counts and would otherwise wait for the device at the start of every step. A stream of its own
// and two sets of buffers make that possible.
#pragma once

#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe {

class LookAhead {
 public:
  explicit LookAhead(Backend& backend) : backend_(backend) {
    if (!backend.communicator().alone()) second_ = backend.make_second_stream();
  }

  /// Whose ops prepare the next step: the back end itself where ops run as they are called.
  Backend& stream() { return second_ != nullptr ? *second_ : backend_; }
  /// Before the ops of a step, which follow its preparation. What is prepared from here on follows
  /// the step before it, which used the same buffers.
  void begin_step() {
    backend_.wait_for(stream());
    stream().wait_for(backend_);
  }

 private:
  Backend& backend_;
  std::unique_ptr<Backend> second_;
};

/// Buffers of the step being prepared and of the one under way. Alone they are one and the same: a
/// step prepares itself, and its op calls must repeat.
template <class T>
class DoubleBuffer {
 public:
  template <class Make>
  DoubleBuffer(const Backend& backend, const Make& make) {
    const int count = backend.communicator().alone() ? 1 : 2;
    for (int i = 0; i < count; ++i) slots_.push_back(make());
  }
  /// Those of the next step, which are *this from now on.
  T& turn() {
    current_ = (current_ + 1) % slots_.size();
    return slots_[current_];
  }
  T& operator*() { return slots_[current_]; }
  const T& operator*() const { return slots_[current_]; }
  T* operator->() { return &**this; }

 private:
  std::vector<T> slots_;
  size_t current_ = 0;
};

}  // namespace mgqe

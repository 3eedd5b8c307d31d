// One block of threads on the CPU: a fiber for each thread that has to wait, one running at a time
// in an order drawn from a seed; barriers and warp collectives. Kernel tests (simt.hpp) and the
// simulated device (tests/simulator) run kernels on it.
//
// Whoever has to wait hands over to the next thread itself, and a thread that ends is followed by
// another on the same stack, so a kernel without barriers is a loop of calls. A warp goes on until
// it waits at a barrier or ends, or, now and then, gives way: that lets it run far ahead of the
// others, which is what a missing barrier needs to show. Of the lanes of a collective the last to
// arrive goes on at once: 31 switches a collective of 32 lanes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

#include "tests/kernels/fibers.hpp"

namespace simt {

inline constexpr int kWarp = 32;
inline constexpr int kMaxThreads = FiberPool::kFibers;
inline constexpr int kMaxWarps = kMaxThreads / kWarp;

class LaunchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Collective { kSyncWarp, kShuffle, kBallot };

/// xorshift64: small and fast, as there is a draw for every collective.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {
    for (int i = 0; i < 4; ++i) (*this)();
  }
  uint32_t operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<uint32_t>(state_ >> 32);
  }
  /// In [0, n).
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((uint64_t{(*this)()} * n) >> 32); }

 private:
  uint64_t state_;
};

/// Observer: `running(thread)` before a thread runs or goes on, `lanes_met(warp, mask)` when a
/// collective is complete, `threads_met()` when all are at a barrier.
template <class Observer>
class Block {
 public:
  Block(int threads, uint64_t seed, Observer& observer)
      : threads_(threads), draws_(seed), observer_(observer) {}

  /// Runs `body` once in every thread. Throws what a thread throws, or LaunchError.
  template <class Body>
  void run(const Body& body) {
    body_ = &body;
    call_ = [](const void* body) { (*static_cast<const Body*>(body))(); };
    begin();
    active_ = this;
    running_ = &scheduler_;
    if (const int first = choose(); first >= 0) go_to(first);
    if (!failure_ && done_ < threads_)
      failure_ = std::make_exception_ptr(LaunchError(describe_deadlock()));
    if (!failure_) return;
    pool().abandon_all();
    std::rethrow_exception(failure_);
  }

  void sync_threads() {
    if (++at_barrier_ == threads_) {
      at_barrier_ = 0;
      observer_.threads_met();
      for (int w = 0; w < warps(); ++w) wake(w, lanes_of(w));
      warp_ = kNone;
      turn_warps();
    }
    wait();
  }

  /// Deposits (value, argument), waits for every lane of `mask`, returns this lane's result.
  uint64_t collective(Collective kind, uint32_t mask, uint64_t value, int argument) {
    const int lane = current_ % kWarp, w = current_ / kWarp;
    const uint32_t me = 1u << lane;
    if (!(mask & me)) fail("lane " + std::to_string(lane) + " is not in its own mask");
    Warp& warp = warps_[w];
    Meeting& meeting = warp.meeting_of(mask);
    if (meeting.arrived == 0) meeting.kind = kind;
    if (meeting.kind != kind) fail("lanes of one mask meet in different collectives");
    meeting.arrived |= me;
    warp.values[lane] = value;
    warp.arguments[lane] = argument;
    if (meeting.arrived == mask) {
      warp.exchange(meeting);
      warp.close(meeting);
      observer_.lanes_met(w, mask);
      wake(w, mask & ~me);
      if (draws_() % kStays != 0) {
        observer_.running(current_);  // it has met others meanwhile
        return warp.results[lane];
      }
      wake(w, me);
      warp_ = kNone;
    }
    wait();
    return warp.results[lane];
  }

  /// Leaves the block: run() throws LaunchError. Locals of its threads are never destroyed.
  [[noreturn]] void fail(std::string message) {
    failure_ = std::make_exception_ptr(LaunchError(message));
    std::string().swap(message);
    switch_fiber(*running_, scheduler_);
    std::terminate();
  }
  /// The thread that runs.
  int current() const { return current_; }

  static FiberPool& pool() {
    static FiberPool fibers(run_threads);
    return fibers;
  }

 private:
  static constexpr int kNone = -1;
  static constexpr uint32_t kStays = 16;  // a warp gives way in one of so many draws

  struct Meeting {
    uint32_t mask = 0, arrived = 0;  // of no mask: free
    Collective kind = Collective::kSyncWarp;
  };
  struct Warp {
    uint32_t ready = 0, unstarted = 0;  // lanes that wait for nothing; that have not begun
    int turn = 0;                       // the lane that is asked first
    bool upwards = true;
    std::array<Meeting, kWarp> meetings;  // open ones, by mask; each lane is in one at most
    uint64_t values[kWarp], results[kWarp];
    int arguments[kWarp];

    Meeting& meeting_of(uint32_t mask) {
      Meeting* m = meetings.data();
      while (m->mask != mask && m->mask != 0) ++m;
      m->mask = mask;
      return *m;
    }
    void close(Meeting& meeting) {
      Meeting* last = &meeting;
      while (last + 1 < meetings.data() + kWarp && last[1].mask != 0) ++last;
      meeting = *last;
      *last = Meeting{};
    }
    void exchange(const Meeting& meeting) {
      if (meeting.kind == Collective::kShuffle) {
        for (int l = 0; l < kWarp; ++l) {
          if (!(meeting.mask >> l & 1)) continue;
          const int source = arguments[l];
          results[l] = meeting.mask >> source & 1 ? values[source] : ~uint64_t{0};  // undefined
        }
        return;
      }
      uint64_t ballot = 0;
      for (int l = 0; l < kWarp; ++l)
        if (meeting.mask >> l & 1 && values[l] != 0) ballot |= uint64_t{1} << l;
      for (int l = 0; l < kWarp; ++l)
        if (meeting.mask >> l & 1) results[l] = ballot;
    }
  };

  int warps() const { return (threads_ + kWarp - 1) / kWarp; }
  uint32_t lanes_of(int w) const {
    const int left = threads_ - w * kWarp;
    return left >= kWarp ? ~0u : (1u << left) - 1;
  }
  void wake(int w, uint32_t lanes) {
    warps_[w].ready |= lanes;
    if (lanes != 0) runnable_ |= 1u << w;
  }

  void begin() {
    if (threads_ < 1 || threads_ > kMaxThreads)
      throw LaunchError("a block of " + std::to_string(threads_) + " threads");
    runnable_ = 0;
    for (int w = 0; w < warps(); ++w) {
      for (Meeting& meeting : warps_[w].meetings) {
        if (meeting.mask == 0) break;
        meeting = Meeting{};
      }
      warps_[w].ready = 0;
      warps_[w].unstarted = lanes_of(w);
      runnable_ |= 1u << w;
    }
    at_barrier_ = done_ = 0;
    warp_ = kNone;
    failure_ = nullptr;
    slow_ = static_cast<int>(draws_.below(2 * static_cast<uint32_t>(warps())));  // often none
    turn_warps();
  }
  void turn_warps() {
    for (int w = 0; w < warps(); ++w) {
      const uint32_t draw = draws_();
      warps_[w].turn = static_cast<int>(draw % kWarp);
      warps_[w].upwards = draw >> 16 & 1;
    }
  }

  /// A warp that can go on. The slow one goes only when no other can: a fair draw alone would let
  /// no warp get far ahead, and hide a barrier missing between two phases.
  int choose_warp() {
    uint32_t able = runnable_;
    if (slow_ < kMaxWarps && (able & ~(1u << slow_)) != 0) able &= ~(1u << slow_);
    for (uint32_t skip = draws_.below(static_cast<uint32_t>(std::popcount(able))); skip > 0; --skip)
      able &= able - 1;
    return std::countr_zero(able);
  }
  /// The thread to go on with, which is no longer waiting for its turn; kNone where all wait.
  int choose() {
    if (runnable_ == 0) return kNone;
    if (warp_ == kNone || !(runnable_ >> warp_ & 1)) warp_ = choose_warp();
    Warp& warp = warps_[warp_];
    const uint32_t able = warp.ready | warp.unstarted;
    int lane;
    if (warp.upwards)
      lane = (std::countr_zero(std::rotr(able, warp.turn)) + warp.turn) % kWarp;
    else
      lane = (warp.turn + 31 - std::countl_zero(std::rotr(able, warp.turn))) % kWarp;
    const int thread = warp_ * kWarp + lane;
    const uint32_t bit = 1u << lane;
    begins_ = warp.unstarted & bit;
    warp.ready &= ~bit;
    warp.unstarted &= ~bit;
    if ((able & ~bit) == 0) runnable_ &= ~(1u << warp_);
    return thread;
  }
  void become(int thread) {
    current_ = thread;
    observer_.running(thread);
  }
  void go_to(int thread) {
    become(thread);
    Fiber& to = begins_ ? pool().take() : *fiber_of_[thread];
    Fiber& from = *running_;
    if (&to == &from) return;
    running_ = &to;
    switch_fiber(from, to);
  }
  void wait() {
    const int next = choose();
    if (next >= 0) return go_to(next);
    Fiber& from = *running_;
    running_ = &scheduler_;
    switch_fiber(from, scheduler_);
  }

  /// What every fiber runs: one thread after the other, of whatever block is active.
  static void run_threads(context::transfer_t from) {
    arrive(*active_->running_, from);
    for (;;) {
      Block& block = *active_;
      Fiber& me = *block.running_;
      block.run_thread(me);
      int next = block.choose();
      while (next >= 0 && block.begins_) {
        block.become(next);
        block.run_thread(me);
        next = block.choose();
      }
      pool().give_back(me);
      if (next < 0 || block.failure_) {
        block.running_ = &block.scheduler_;
        switch_fiber(me, block.scheduler_);
      } else {
        block.go_to(next);
      }
    }
  }
  void run_thread(Fiber& me) {
    fiber_of_[current_] = &me;
    try {
      call_(body_);
    } catch (...) {
      failure_ = std::current_exception();
    }
    ++done_;
    if (failure_) runnable_ = 0;
    if (draws_() % kStays == 0) warp_ = kNone;
  }

  std::string describe_deadlock() const {
    std::string text = "deadlock: " + std::to_string(at_barrier_) +
                       " threads wait at __syncthreads, " + std::to_string(done_) +
                       " have returned";
    for (int w = 0; w < warps(); ++w)
      for (const Meeting& meeting : warps_[w].meetings)
        if (meeting.mask != 0)
          text += "; warp " + std::to_string(w) + " misses lanes " +
                  std::to_string(meeting.mask & ~meeting.arrived) +
                  " (a bit mask) in a warp collective";
    return text;
  }

  static inline Block* active_ = nullptr;

  int threads_;
  Draws draws_;
  Observer& observer_;
  const void* body_ = nullptr;
  void (*call_)(const void*) = nullptr;
  uint32_t runnable_ = 0;  // warps with a lane that can go on
  int warp_ = kNone;       // the one that goes on while it can
  int slow_ = 0;
  int current_ = 0, at_barrier_ = 0, done_ = 0;
  bool begins_ = false;  // the thread just chosen
  Fiber scheduler_;
  Fiber* running_ = nullptr;
  std::exception_ptr failure_;
  std::array<Fiber*, kMaxThreads> fiber_of_;
  std::array<Warp, kMaxWarps> warps_;
};

}  // namespace simt

// One block of threads on the CPU: a Boost.Context fiber per thread, scheduled one at a time in an
// order drawn from a seed; barriers, warp collectives and shared memory. Part of simt.hpp.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/context/fiber.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace simt {

inline constexpr int kWarp = 32;
inline constexpr size_t kSharedLimit = 48 << 10;  // what a kernel gets without opting in to more
/// What launches may use: a test whose launcher calls cudaFuncSetAttribute raises it as that does.
inline size_t shared_limit = kSharedLimit;
inline constexpr size_t kStackBytes = 256 << 10;  // committed only where touched

class LaunchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Collective { kSyncWarp, kShuffle, kBallot };

/// Stacks of the fibers, used again by every launch.
inline std::vector<std::unique_ptr<unsigned char[]>> stack_pool;

/// One block: its fibers, their order, its shared memory.
class Block {
 public:
  Block(dim3 shape, size_t shared_bytes, uint64_t seed)
      : shape_(shape),
        threads_(shape.x * shape.y * shape.z),
        warps_((threads_.size() + kWarp - 1) / kWarp),
        dynamic_(new unsigned char[shared_bytes]),
        dynamic_bytes_(shared_bytes),
        random_(seed) {
    if (threads_.empty() || threads_.size() > 1024)
      throw LaunchError("a block of " + std::to_string(threads_.size()) + " threads");
    if (shared_bytes > shared_limit)
      throw LaunchError(std::to_string(shared_bytes) + " bytes of shared memory");
    while (stack_pool.size() < threads_.size())
      stack_pool.emplace_back(new unsigned char[kStackBytes]);
    for (size_t t = 0; t < threads_.size(); ++t) threads_[t].stack = stack_pool[t].get();
  }

  /// Runs `body` once in every thread.
  template <class Body>
  void run(const Body& body) {
    std::memset(dynamic_.get(), 0xFF, dynamic_bytes_);
    static_.clear();
    for (auto& warp : warps_) warp.clear();
    ready_.resize(threads_.size());
    std::iota(ready_.begin(), ready_.end(), 0);
    at_barrier_ = done_ = 0;
    slow_warp_ = random_() % (2 * warps_.size());  // none in half of the blocks
    for (Thread& thread : threads_) start(thread, body);
    while (!ready_.empty() && !failure_) {
      resume(take_ready());
    }
    if (!failure_ && done_ < threads_.size()) fail(describe_deadlock());
    if (!failure_) return;
    for (size_t t = 0; t < threads_.size(); ++t)  // every fiber leaves by Unwind
      if (threads_[t].fiber) resume(t);
    std::rethrow_exception(failure_);
  }

  void sync_threads() {
    if (++at_barrier_ == threads_.size()) {
      at_barrier_ = 0;
      for (size_t t = 0; t < threads_.size(); ++t) ready_.push_back(t);
    }
    yield();
  }

  /// Deposits (value, argument), waits for every lane of `mask`, returns this lane's result.
  uint64_t collective(Collective kind, uint32_t mask, uint64_t value, int argument) {
    const int lane = static_cast<int>(current_ % kWarp);
    const size_t first = current_ - lane;
    if (!(mask >> lane & 1)) raise("lane " + std::to_string(lane) + " is not in its own mask");
    Meeting& meeting = warps_[current_ / kWarp][mask];
    if (meeting.arrived != 0 && meeting.kind != kind)
      raise("lanes of one mask meet in different collectives");
    meeting.kind = kind;
    meeting.arrived |= 1u << lane;
    meeting.value[lane] = value;
    meeting.argument[lane] = argument;
    if (meeting.arrived == mask) {
      for (int l = 0; l < kWarp; ++l) {
        if (!(mask >> l & 1)) continue;
        threads_[first + l].result = result_of(meeting, mask, l);
        ready_.push_back(first + l);
      }
      warps_[current_ / kWarp].erase(mask);
    }
    yield();
    return threads_[current_].result;
  }

  /// Shared memory of one MGQE_SHARED_ARRAY, known by the address of its tag.
  void* static_shared(const void* tag, size_t bytes) {
    for (auto& [known, memory] : static_)
      if (known == tag) return memory.get();
    static_.emplace_back(tag, new unsigned char[bytes]);
    std::memset(static_.back().second.get(), 0xFF, bytes);
    return static_.back().second.get();
  }
  void* dynamic_shared() { return dynamic_.get(); }

 private:
  using Fiber = boost::context::fiber;
  struct Unwind {};
  struct Thread {
    unsigned char* stack = nullptr;
    Fiber fiber;
    uint64_t result = 0;
    void* fake_stack = nullptr;  // AddressSanitizer's, kept while the fiber sleeps
  };
  struct Meeting {
    Collective kind = Collective::kSyncWarp;
    uint32_t arrived = 0;
    uint64_t value[kWarp] = {};
    int argument[kWarp] = {};
  };
  struct PooledStack {  // the pool keeps the stacks
    boost::context::stack_context allocate() { return {}; }
    void deallocate(boost::context::stack_context&) {}
  };

  template <class Body>
  void start(Thread& thread, const Body& body) {
    forget_stack(thread.stack);
    boost::context::stack_context stack;
    stack.size = kStackBytes;
    stack.sp = thread.stack + kStackBytes;
    thread.fiber =
        Fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
              PooledStack{}, [this, &body](Fiber&& scheduler) {
                scheduler_ = std::move(scheduler);
                entered(nullptr);
                try {
                  if (!failure_) body();
                } catch (const Unwind&) {
                } catch (...) {
                  failure_ = std::current_exception();
                }
                ++done_;
                leaving(nullptr, scheduler_stack_, scheduler_stack_bytes_);
                return std::move(scheduler_);
              });
  }

  /// A random thread of those that can go on. The slow warp rarely goes while another can: a
  /// uniform draw alone would let no warp get far ahead, and hide a barrier missing between two
  /// phases.
  size_t take_ready() {
    constexpr int kDraws = 16;
    size_t pick = random_() % ready_.size();
    for (int i = 1; i < kDraws && ready_[pick] / kWarp == slow_warp_; ++i)
      pick = random_() % ready_.size();
    std::swap(ready_[pick], ready_.back());
    const size_t next = ready_.back();
    ready_.pop_back();
    return next;
  }

  void resume(size_t t) {
    Thread& thread = threads_[t];
    current_ = t;
    const unsigned i = static_cast<unsigned>(t);
    threadIdx.x = i % shape_.x;
    threadIdx.y = i / shape_.x % shape_.y;
    threadIdx.z = i / shape_.x / shape_.y;
    void* fake_stack = nullptr;
    leaving(&fake_stack, thread.stack, kStackBytes);
    thread.fiber = std::move(thread.fiber).resume();
    entered(fake_stack);
  }

  void yield() {
    Thread& thread = threads_[current_];
    leaving(&thread.fake_stack, scheduler_stack_, scheduler_stack_bytes_);
    scheduler_ = std::move(scheduler_).resume();
    entered(thread.fake_stack);
    if (failure_) throw Unwind{};
  }

#if defined(__SANITIZE_ADDRESS__)
  void forget_stack(void* stack) { __asan_unpoison_memory_region(stack, kStackBytes); }
  void leaving(void** fake_stack, const void* stack, size_t bytes) {
    __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
  }
  void entered(void* fake_stack) {
    const void* stack = nullptr;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &stack, &bytes);
    const bool from_scheduler = threads_[current_].stack != stack;
    if (from_scheduler) scheduler_stack_ = stack, scheduler_stack_bytes_ = bytes;
  }
#else
  void forget_stack(void*) {}
  void leaving(void**, const void*, size_t) {}
  void entered(void*) {}
#endif

  void fail(const std::string& message) {
    failure_ = std::make_exception_ptr(LaunchError(message));
  }
  [[noreturn]] void raise(const std::string& message) {
    fail(message);
    throw Unwind{};
  }

  std::string describe_deadlock() const {
    std::string text = "deadlock in block (" + std::to_string(blockIdx.x) + ", " +
                       std::to_string(blockIdx.y) + ", " + std::to_string(blockIdx.z) +
                       "): " + std::to_string(at_barrier_) + " threads wait at __syncthreads, " +
                       std::to_string(done_) + " have returned";
    for (size_t w = 0; w < warps_.size(); ++w)
      for (const auto& [mask, meeting] : warps_[w])
        text += "; warp " + std::to_string(w) + " misses lanes " +
                std::to_string(mask & ~meeting.arrived) + " (a bit mask) in a warp collective";
    return text;
  }

  static uint64_t result_of(const Meeting& meeting, uint32_t mask, int lane) {
    if (meeting.kind == Collective::kShuffle) {
      const int source = meeting.argument[lane];
      return mask >> source & 1 ? meeting.value[source] : ~uint64_t{0};  // undefined on a GPU
    }
    uint64_t ballot = 0;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1 && meeting.value[l] != 0) ballot |= uint64_t{1} << l;
    return ballot;
  }

  dim3 shape_;
  std::vector<Thread> threads_;
  std::vector<std::map<uint32_t, Meeting>> warps_;  // open collectives by mask
  std::vector<size_t> ready_;
  std::vector<std::pair<const void*, std::unique_ptr<unsigned char[]>>> static_;
  std::unique_ptr<unsigned char[]> dynamic_;
  size_t dynamic_bytes_;
  std::mt19937_64 random_;
  size_t slow_warp_ = 0;
  size_t current_ = 0, at_barrier_ = 0, done_ = 0;
  std::exception_ptr failure_;
  Fiber scheduler_;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_bytes_ = 0;
};

}  // namespace simt

// Stacks that threads of a block run on, each a Boost.Context fiber: switched by hand, used again
// by every block, known to AddressSanitizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include <boost/context/detail/fcontext.hpp>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt {

namespace context = boost::context::detail;

struct Fiber {
  context::fcontext_t context = nullptr;
  const void* stack = nullptr;  // its low end
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's, kept while the fiber sleeps
};

/// As many fibers as a block may have threads, all running one function that never returns.
class FiberPool {
 public:
  static constexpr size_t kStackBytes = 256 << 10;  // committed only where touched
  static constexpr int kFibers = 1024;

  explicit FiberPool(void (*run)(context::transfer_t)) : run_(run) {
    const size_t page = static_cast<size_t>(getpagesize());
    void* memory = mmap(nullptr, kStackBytes * kFibers, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stacks_ = static_cast<unsigned char*>(memory);
    for (int f = 0; f < kFibers; ++f) {
      unsigned char* const guard = stacks_ + f * kStackBytes;
      mprotect(guard, page, PROT_NONE);
      all_[f].stack = guard + page;
      all_[f].stack_bytes = kStackBytes - page;
    }
    idle_.reserve(kFibers);
  }
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;
  ~FiberPool() { munmap(stacks_, kStackBytes * kFibers); }

  Fiber& take() {
    if (idle_.empty()) return made_ < kFibers ? make(all_[made_++]) : throw std::bad_alloc();
    Fiber* const fiber = idle_.back();
    idle_.pop_back();
    return *fiber;
  }
  void give_back(Fiber& fiber) { idle_.push_back(&fiber); }

  /// Every fiber begins anew; whatever it was doing is never finished.
  void abandon_all() {
    idle_.clear();
    for (int f = 0; f < made_; ++f) idle_.push_back(&make(all_[f]));
  }
  uintptr_t stacks_begin() const { return reinterpret_cast<uintptr_t>(stacks_); }
  uintptr_t stacks_end() const { return stacks_begin() + kStackBytes * kFibers; }

 private:
  Fiber& make(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(fiber.stack, fiber.stack_bytes);
#endif
    // Tops lie apart by more than whole pages, so that stacks do not fight for the same cache
    // lines.
    const size_t apart = static_cast<size_t>(&fiber - all_) % 128 * 448;
    auto* const top =
        static_cast<unsigned char*>(const_cast<void*>(fiber.stack)) + fiber.stack_bytes - apart;
    fiber.context = context::make_fcontext(top, fiber.stack_bytes - apart, run_);
    fiber.fake_stack = nullptr;
    return fiber;
  }

  void (*run_)(context::transfer_t);
  unsigned char* stacks_ = nullptr;
  int made_ = 0;
  Fiber all_[kFibers];
  std::vector<Fiber*> idle_;
};

/// What a fiber does first whenever it is switched to. The one that left is kept where it stands.
inline void arrive([[maybe_unused]] Fiber& here, context::transfer_t from) {
  auto& left = *static_cast<Fiber*>(from.data);
  left.context = from.fctx;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack, &left.stack, &left.stack_bytes);
#endif
}

inline void switch_fiber(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  arrive(from, context::jump_fcontext(to.context, &from));
}

}  // namespace simt

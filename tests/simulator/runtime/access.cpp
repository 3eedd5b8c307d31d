#include "tests/simulator/runtime/access.hpp"

#include <cstring>

#include <fmt/format.h>

#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/kernel.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/order.hpp"
#include "tests/simulator/runtime/races.hpp"
#include "tests/simulator/runtime/symbols.hpp"

namespace simulator {

thread_local bool in_kernel = false;

namespace {

uintptr_t arguments_begin = 0, arguments_end = 0;
const bool kLooksForRaces = options().races;

constexpr const char* verb(Access kind) {
  return kind == Access::kRead ? "reads" : kind == Access::kWrite ? "writes" : "changes atomically";
}

[[gnu::noinline]] void refuse(Access kind, const void* p, size_t bytes, const char* why,
                              const void* caller) {
  kernel_fault(fmt::format("{} {} bytes: {}\n  address: {}", verb(kind), bytes, why, describe(p)),
               caller);
}

[[gnu::noinline]] void found_race(Access kind, const void* p, size_t bytes, const void* caller) {
  kernel_fault(fmt::format("race: {} {} bytes, {}\n  address: {}", verb(kind), bytes, last_race(),
                           describe(p)),
               caller);
}

/// An address outside of the arena and of stacks: the launch's arguments, constants.
[[gnu::noinline]] void check_outside(Access kind, const void* p, size_t bytes, const void* caller) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  if (at - arguments_begin < arguments_end - arguments_begin) {
    if (kind != Access::kRead) refuse(kind, p, bytes, "the arguments of a launch", caller);
    return;
  }
  if (kind == Access::kRead && image_at(p) == Image::kConstant) return;
  refuse(kind, p, bytes, p == nullptr ? "a null pointer" : "host memory in a kernel", caller);
}

template <size_t kSize>
struct Word;
template <>
struct Word<1> {
  using Type = uint8_t;
};
template <>
struct Word<2> {
  using Type = uint16_t;
};
template <>
struct Word<4> {
  using Type = uint32_t;
};
template <>
struct Word<8> {
  using Type = uint64_t;
};
template <>
struct Word<16> {
  using Type = unsigned __int128;
};

/// So many bytes of one value.
template <class T>
T repeated(uint8_t byte) {
  const uint64_t eight = uint64_t{0x0101010101010101} * byte;
  if constexpr (sizeof(T) == 16) return T{eight} << 64 | eight;
  return static_cast<T>(eight);
}

template <Access kind, size_t kSize>
[[gnu::always_inline]] inline void check(const void* p, bool aligned, const void* caller) {
  using T = typename Word<kSize>::Type;
  if (!in_kernel) return;
  const uintptr_t offset = reinterpret_cast<uintptr_t>(p) - arena;
  if (offset >= kArenaBytes) [[unlikely]] {
    if (!on_stacks(p)) check_outside(kind, p, kSize, caller);
    return;
  }
  T state;
  std::memcpy(&state, byte_state + offset, kSize);
  const T good = repeated<T>(good_state);
  if (state != good) [[unlikely]] {
    if (const char* why = refusal(p, kSize, kind == Access::kWrite))
      return refuse(kind, p, kSize, why, caller);
    std::memcpy(byte_state + offset, &good, kSize);
  }
  if (aligned && offset % kSize != 0) [[unlikely]]
    return refuse(kind, p, kSize, "misaligned", caller);
  if (kLooksForRaces && !note<kind>(offset, kSize)) [[unlikely]]
    found_race(kind, p, kSize, caller);
}

template <Access kind>
void check_bytes(const void* p, size_t bytes, const void* caller) {
  if (!in_kernel || bytes == 0) return;
  if (on_stacks(p)) return;
  if (!in_arena(p)) return check_outside(kind, p, bytes, caller);
  if (const char* why = refusal(p, bytes, kind != Access::kRead))
    return refuse(kind, p, bytes, why, caller);
  const uintptr_t offset = reinterpret_cast<uintptr_t>(p) - arena;
  if (kind != Access::kRead) set_written(p, bytes, true);
  if (kLooksForRaces && !note<kind>(offset, bytes)) found_race(kind, p, bytes, caller);
}

}  // namespace

void set_arguments(const void* begin, size_t bytes) {
  arguments_begin = reinterpret_cast<uintptr_t>(begin);
  arguments_end = arguments_begin + bytes;
}

void note_atomic(void* p, size_t bytes, const void* caller) {
  check_bytes<Access::kAtomic>(p, bytes, caller);
}

void check_range(const void* p, size_t bytes, Range range) {
  if (bytes == 0) return;
  const Access kind = range == Range::kWritten ? Access::kWrite : Access::kRead;
  const auto complain = [&](const std::string& what) {
    fault(fmt::format("{}: {}{} {} bytes, {}\n  address: {}", *running_op().name,
                      what.empty() ? "race: " : "", verb(kind), bytes,
                      what.empty() ? last_race() : what, describe(p)));
  };
  // What may be copied may also have been written: only the allocation is asked for.
  if (const char* why = refusal(p, bytes, range != Range::kRead)) complain(why);
  const uintptr_t offset = reinterpret_cast<uintptr_t>(p) - arena;
  if (range == Range::kWritten) set_written(p, bytes, true);
  if (!kLooksForRaces) return;
  if (!(kind == Access::kWrite ? note<Access::kWrite>(offset, bytes)
                               : note<Access::kRead>(offset, bytes)))
    complain("");
}

void copy_bytes(void* to, const void* from, size_t bytes) {
  check_range(from, bytes, Range::kCopied);
  check_range(to, bytes, Range::kWritten);
  std::memmove(to, from, bytes);
  std::memmove(byte_state + (reinterpret_cast<uintptr_t>(to) - arena),
               byte_state + (reinterpret_cast<uintptr_t>(from) - arena), bytes);
}

}  // namespace simulator

// ---- -fsanitize=thread --------------------------------------------------------------------------
#define SIMULATOR_ACCESSES(size)                                                              \
  void __tsan_read##size(void* p) {                                                           \
    simulator::check<simulator::Access::kRead, size>(p, true, __builtin_return_address(0));   \
  }                                                                                           \
  void __tsan_write##size(void* p) {                                                          \
    simulator::check<simulator::Access::kWrite, size>(p, true, __builtin_return_address(0));  \
  }                                                                                           \
  void __tsan_unaligned_read##size(void* p) {                                                 \
    simulator::check<simulator::Access::kRead, size>(p, false, __builtin_return_address(0));  \
  }                                                                                           \
  void __tsan_unaligned_write##size(void* p) {                                                \
    simulator::check<simulator::Access::kWrite, size>(p, false, __builtin_return_address(0)); \
  }
extern "C" {
SIMULATOR_ACCESSES(1)
SIMULATOR_ACCESSES(2)
SIMULATOR_ACCESSES(4)
SIMULATOR_ACCESSES(8)
SIMULATOR_ACCESSES(16)
void __tsan_read_range(void* p, size_t bytes) {
  simulator::check_bytes<simulator::Access::kRead>(p, bytes, __builtin_return_address(0));
}
void __tsan_write_range(void* p, size_t bytes) {
  simulator::check_bytes<simulator::Access::kWrite>(p, bytes, __builtin_return_address(0));
}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

// Atomics of host code in the same files: reference counts, guards of static variables.
char __tsan_atomic8_load(const volatile char* p, int) { return __atomic_load_n(p, 5); }
int __tsan_atomic32_load(const volatile int* p, int) { return __atomic_load_n(p, 5); }
long __tsan_atomic64_load(const volatile long* p, int) { return __atomic_load_n(p, 5); }
void __tsan_atomic64_store(volatile long* p, long v, int) { __atomic_store_n(p, v, 5); }
long __tsan_atomic64_fetch_add(volatile long* p, long v, int) {
  return __atomic_fetch_add(p, v, 5);
}
int __tsan_atomic32_fetch_add(volatile int* p, int v, int) { return __atomic_fetch_add(p, v, 5); }

// ---- -fsanitize=alignment -----------------------------------------------------------------------
struct SanitizerType {
  uint16_t kind, info;
  char name[1];
};
struct SanitizerMismatch {
  const char* file;
  uint32_t line, column;
  const SanitizerType* type;
  uint8_t log_alignment, check;
};
void __ubsan_handle_type_mismatch_v1(const SanitizerMismatch* mismatch, void* p) {
  const std::string text =
      fmt::format("misaligned for {}, which is aligned to {}\n  address: {}", mismatch->type->name,
                  1 << mismatch->log_alignment, simulator::describe(p));
  if (simulator::in_kernel) simulator::kernel_fault(text, __builtin_return_address(0));
  simulator::report(fmt::format("{}:{}: {}", mismatch->file, mismatch->line, text));
}
}

#include "tests/simulator/runtime/memory.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <new>

#include <execinfo.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/simulator/runtime/kernel.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/races.hpp"
#include "tests/simulator/runtime/symbols.hpp"

namespace simulator {

uintptr_t arena = 0;
uint8_t* byte_state = nullptr;
uint8_t good_state = kAllocated | kWritten;

namespace {

constexpr size_t kAlignment = 256, kGap = 4096, kPage = 4096;
constexpr int kMaxFrames = 24;

struct Allocation {
  size_t number, bytes;
  int device;
  bool freed;
  int frames;
  void* stack[kMaxFrames];
};
std::map<uintptr_t, Allocation> allocations;  // by address, freed ones too
uintptr_t arena_next = 0;
size_t in_use[kMaxDevices];
int opened = 0;

size_t to_page(size_t n) { return (n + kPage - 1) / kPage * kPage; }

void protect(int how) {
  const uintptr_t first = arena + kSharedBytes;
  mprotect(reinterpret_cast<void*>(first), to_page(arena_next - first), how);
}

template <class T>
T* reserve(size_t bytes, int how) {
  void* const p = mmap(nullptr, bytes, how, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(p);
}

/// The functions that called, innermost first, without the simulated device's own.
std::string callers(void* const* stack, int frames) {
  std::string text;
  int told = 0;
  for (int f = 0; f < frames && told < 5; ++f) {
    const std::string name = function_name(stack[f]);
    if (name == "?" || name.starts_with("simulator::") || name.starts_with("cuda")) continue;
    text += (told++ == 0 ? "" : " < ") + name;
  }
  return text.empty() ? "?" : text;
}

void on_segmentation_fault(int, siginfo_t* info, void*) {
  void* stack[kMaxFrames];
  const int frames = backtrace(stack, kMaxFrames);
  const bool ours = in_arena(info->si_addr);
  const std::string text =
      fmt::format("simulated device: FAULT: {}: {}\n  in {}\n",
                  ours ? "the host touches device memory" : "segmentation fault",
                  ours ? describe(info->si_addr) : fmt::format("{}", info->si_addr),
                  callers(stack + 2, frames - 2));
  if (write(2, text.data(), text.size()) < 0) _exit(1);
  if (ours) _exit(kFaultExitCode);
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

void catch_segmentation_faults() {
  static char stack[1 << 17];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof(stack);
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_segmentation_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

std::map<uintptr_t, Allocation>::iterator allocation_near(uintptr_t at) {
  auto after = allocations.upper_bound(at);
  return after == allocations.begin() ? allocations.end() : --after;
}

/// Whole pages within go back to the system.
void drop(void* begin, size_t bytes) {
  const auto first = to_page(reinterpret_cast<uintptr_t>(begin));
  const auto last = (reinterpret_cast<uintptr_t>(begin) + bytes) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace

void reserve_memory() {
  if (arena != 0) return;
  byte_state = reserve<uint8_t>(kArenaBytes, PROT_READ | PROT_WRITE);
  arena = reinterpret_cast<uintptr_t>(reserve<char>(kArenaBytes, PROT_NONE));
  mprotect(reinterpret_cast<void*>(arena), kSharedBytes, PROT_READ | PROT_WRITE);
  arena_next = arena + kSharedBytes + kGap;
  catch_segmentation_faults();
  if (!options().guard) opened = 1;
}

OpenMemory::OpenMemory() {
  if (opened++ == 0) protect(PROT_READ | PROT_WRITE);
}
OpenMemory::~OpenMemory() {
  if (--opened == 0) protect(PROT_NONE);
}

void* allocate(size_t bytes, int device) {
  if (in_use[device] + bytes > kDeviceBytes) return nullptr;
  const uintptr_t begin = (arena_next + kAlignment - 1) / kAlignment * kAlignment;
  if (begin + bytes + kGap > arena + kArenaBytes) return nullptr;
  arena_next = begin + bytes + kGap;
  protect(PROT_READ | PROT_WRITE);
  std::memset(reinterpret_cast<void*>(begin), 0xFF, bytes);
  if (opened == 0) protect(PROT_NONE);
  std::memset(byte_state + (begin - arena), device << kDeviceShift | kAllocated, bytes);
  Allocation& made = allocations[begin];
  made.number = allocations.size();
  made.bytes = bytes;
  made.device = device;
  made.freed = false;
  made.frames = backtrace(made.stack, kMaxFrames);
  in_use[device] += bytes;
  return reinterpret_cast<void*>(begin);
}

bool release(void* pointer) {
  const auto found = allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == allocations.end() || found->second.freed) return false;
  Allocation& gone = found->second;
  gone.freed = true;
  in_use[gone.device] -= gone.bytes;
  const uintptr_t offset = found->first - arena;
  std::memset(byte_state + offset, 0, gone.bytes);
  drop(byte_state + offset, gone.bytes);
  drop(pointer, gone.bytes);
  drop_records(offset, gone.bytes);
  return true;
}

void set_written(const void* p, size_t bytes, bool written) {
  std::memset(byte_state + (reinterpret_cast<uintptr_t>(p) - arena),
              written ? good_state : good_state & ~kWritten, bytes);
}

size_t bytes_in_use(int device) { return in_use[device]; }

std::string describe(const void* pointer) {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  if (!in_arena(pointer)) {
    const Image image = image_at(pointer);
    return fmt::format("{} at {}",
                       image == Image::kVariable   ? "a variable of the host"
                       : image == Image::kConstant ? "a constant of the host"
                                                   : "host memory",
                       pointer);
  }
  if (at - arena < kSharedBytes) return describe_shared(at - arena);
  const auto near = allocation_near(at);
  if (near == allocations.end()) return "device memory that was never allocated";
  const Allocation& a = near->second;
  return fmt::format("byte {} of allocation {} of {} bytes{} on device {}, made by {}",
                     at - near->first, a.number, a.bytes, a.freed ? ", freed," : "", a.device,
                     callers(a.stack, a.frames));
}

const char* refusal(const void* pointer, size_t bytes, bool write) {
  if (!in_arena(pointer)) return "not device memory";
  const uint8_t* const state = byte_state + (reinterpret_cast<uintptr_t>(pointer) - arena);
  const auto allocated = [](uint8_t s) { return (s & kAllocated) != 0; };
  if (!std::all_of(state, state + bytes, allocated)) {
    const auto near = allocation_near(reinterpret_cast<uintptr_t>(pointer));
    if (near != allocations.end() && near->second.freed &&
        reinterpret_cast<uintptr_t>(pointer) < near->first + near->second.bytes)
      return "freed memory";
    return "out of bounds";
  }
  const auto here = [](uint8_t s) { return s >> kDeviceShift == good_state >> kDeviceShift; };
  if (!std::all_of(state, state + bytes, here)) return "memory of another device";
  const auto written = [](uint8_t s) { return (s & kWritten) != 0; };
  if (!write && !std::all_of(state, state + bytes, written)) return "uninitialised memory";
  return nullptr;
}

std::vector<std::string> leaks() {
  std::vector<std::string> all;
  for (const auto& [begin, allocation] : allocations)
    if (!allocation.freed) all.push_back(describe(reinterpret_cast<void*>(begin)));
  return all;
}

}  // namespace simulator

#include "tests/simulator/runtime/kernel.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "tests/kernels/block.hpp"
#include "tests/simulator/runtime/access.hpp"
#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/limits.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/order.hpp"
#include "tests/simulator/runtime/races.hpp"
#include "tests/simulator/runtime/symbols.hpp"

// What kernels know as constants.
uint3 running_thread_index asm("threadIdx");
uint3 running_block_index asm("blockIdx");
uint3 running_block_shape asm("blockDim");
uint3 running_grid_shape asm("gridDim");

namespace simulator {
namespace {

struct Threads {
  uint3 index[simt::kMaxThreads];

  void running(int thread) {
    running_thread_index = index[thread];
    thread_runs(thread);
  }
  void lanes_met(int warp, uint32_t mask) { simulator::lanes_met(warp, mask); }
  void threads_met() { simulator::threads_met(); }
};
using Block = simt::Block<Threads>;

/// Shared memory of the block that runs, at the beginning of the arena: the dynamic part, then
/// arrays with gaps between them, as accesses come upon them.
class SharedMemory {
 public:
  void begin_block(size_t dynamic_bytes) {
    std::memset(byte_state, 0, end_);
    arrays_.clear();
    end_ = static_bytes_ = 0;
    arrays_.push_back({nullptr, add(dynamic_bytes), dynamic_bytes});
    dynamic_bytes_ = dynamic_bytes;
  }
  void* array(const void* tag, size_t bytes) {
    for (const Array& array : arrays_)
      if (array.tag == tag) return at(array.begin);
    static_bytes_ = (static_bytes_ + kAlignment - 1) / kAlignment * kAlignment + bytes;
    if (const std::string why = shared_refusal(static_bytes_, dynamic_bytes_); !why.empty())
      kernel_fault(why, nullptr);
    arrays_.push_back({tag, add(bytes), bytes});
    return at(arrays_.back().begin);
  }
  void* dynamic() { return at(0); }
  std::string describe(size_t offset) const {
    size_t a = arrays_.size() - 1;
    while (a > 0 && arrays_[a].begin > offset) --a;
    const std::string name = a == 0 ? "dynamic shared memory" : fmt::format("shared array {}", a);
    return fmt::format("byte {} of {} of {} bytes", offset - arrays_[a].begin, name,
                       arrays_[a].bytes);
  }

 private:
  static constexpr size_t kAlignment = 16, kGap = 64;
  struct Array {
    const void* tag;  // null: the dynamic part
    size_t begin, bytes;
  };
  static void* at(size_t begin) { return reinterpret_cast<void*>(arena + begin); }

  size_t add(size_t bytes) {
    const size_t begin = (end_ + kAlignment - 1) / kAlignment * kAlignment;
    std::memset(at(begin), 0xFF, bytes);
    set_written(at(begin), bytes, false);
    end_ = begin + bytes + kGap;
    return begin;
  }

  std::vector<Array> arrays_;
  size_t end_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0;
};

Threads threads;
SharedMemory shared;
Block* running_block = nullptr;
const Launch* running_launch = nullptr;
bool told = false;  // of what made the block fail

std::string place(uint3 i) { return fmt::format("({}, {}, {})", i.x, i.y, i.z); }
std::string shape(dim3 s) { return fmt::format("({}, {}, {})", s.x, s.y, s.z); }

std::string describe_launch(const Launch& l) {
  return fmt::format("kernel {}, launched at {}:{}, grid {}, block {}, {} bytes of shared memory",
                     function_name(l.kernel), l.file, l.line, shape(l.grid), shape(l.block),
                     l.shared_bytes);
}

struct InKernel {
  InKernel() { in_kernel = true; }
  ~InKernel() { in_kernel = false; }
};

}  // namespace

uintptr_t stacks_begin = 0, stacks_end = 0;

std::string describe_shared(size_t offset) { return shared.describe(offset); }

void kernel_fault(const std::string& what, const void* return_address) {
  in_kernel = false;
  std::string text =
      fmt::format("{}\n  {}\n  block {}, thread {}", what, describe_launch(*running_launch),
                  place(running_block_index), place(running_thread_index));
  if (return_address != nullptr) text += "\n  in " + source_of(return_address);
  told = true;
  report(text);
  running_block->fail(text);
}

void run_kernel(const Launch& launch, uint64_t seed) {
  const int count = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  for (int t = 0; t < count; ++t)
    threads.index[t] = simt::index_in(launch.block, static_cast<unsigned>(t));
  running_block_shape = {launch.block.x, launch.block.y, launch.block.z};
  running_grid_shape = {launch.grid.x, launch.grid.y, launch.grid.z};
  set_arguments(launch.arguments.get(), launch.argument_bytes);
  running_launch = &launch;
  stacks_begin = Block::pool().stacks_begin();
  stacks_end = Block::pool().stacks_end();
  static std::optional<Block> block;  // large: kept from launch to launch
  block.emplace(count, seed, threads);
  running_block = &*block;

  simt::Draws draws(seed + 1);
  std::vector<uint32_t> order(uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  std::iota(order.begin(), order.end(), 0u);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[draws.below(static_cast<uint32_t>(i))]);
  for (const uint32_t b : order) {
    running_block_index = simt::index_in(launch.grid, b);
    shared.begin_block(launch.shared_bytes);
    begin_block((count + simt::kWarp - 1) / simt::kWarp);
    try {
      const InKernel inside;
      running_block->run([&] { launch.call(launch.kernel, launch.arguments.get()); });
    } catch (const simt::LaunchError& error) {
      if (!std::exchange(told, false))
        report(fmt::format("{}\n  {}\n  block {}", error.what(), describe_launch(launch),
                           place(running_block_index)));
      throw Fault(error.what());
    }
  }
}

// ---- what kernels call --------------------------------------------------------------------------
void sync_threads() { running_block->sync_threads(); }
uint64_t meet(Meeting kind, uint32_t mask, uint64_t value, int argument) {
  return running_block->collective(static_cast<simt::Collective>(kind), mask, value, argument);
}
void* shared_array(const void* tag, size_t bytes) { return shared.array(tag, bytes); }
void* dynamic_shared() { return shared.dynamic(); }

}  // namespace simulator

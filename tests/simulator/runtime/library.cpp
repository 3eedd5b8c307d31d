#include <cstring>

#include <fmt/format.h>

#include "tests/simulator/include/simulated_library.h"
#include "tests/simulator/runtime/access.hpp"
#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/memory.hpp"

namespace simulator {

cudaError_t enqueue(const std::string& what, cudaStream_t stream, std::function<void()> work,
                    std::function<bool()> ready) {
  return call([&] {
    Task task(Task::kWork);
    task.name = keep(what);
    task.work = std::move(work);
    task.ready = std::move(ready);
    return enqueue(stream, std::move(task));
  });
}
const void* read_bytes(const void* p, size_t bytes) {
  check_range(p, bytes, Range::kRead);
  return p;
}
void* written_bytes(void* p, size_t bytes) {
  check_range(p, bytes, Range::kWritten);
  return p;
}
void clobber(void* p, size_t bytes) {
  check_range(p, bytes, Range::kWritten);
  std::memset(p, 0xFF, bytes);
  set_written(p, bytes, false);
}
void library_fault(const std::string& what) { fault(*running_op().name + ": " + what); }
bool on_device(const void* p) { return arena != 0 && in_arena(p); }
bool asked_for_scratch(const char* what, void* scratch, size_t& bytes, size_t needed) {
  if (scratch == nullptr) {
    bytes = needed;
    return true;
  }
  if (bytes < needed)
    fault(fmt::format("{}: {} bytes of scratch, of the {} it asked for", what, bytes, needed));
  return false;
}

void count_ranges(int change) {
  static int open = 0;
  open += change;
  if (open < 0) fault("nvtxRangePop without a range that was pushed");
}

}  // namespace simulator

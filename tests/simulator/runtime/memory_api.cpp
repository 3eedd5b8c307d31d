// The CUDA runtime's calls about memory.
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "tests/simulator/include/simulated_library.h"
#include "tests/simulator/runtime/access.hpp"
#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"

using namespace simulator;

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call([&] {
    if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
    if (bytes > 0 && ++counts.allocations == options().failing_allocation)
      return cudaErrorMemoryAllocation;
    *pointer = bytes == 0 ? nullptr : allocate(bytes, current_device());
    return bytes > 0 && *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
  });
}
cudaError_t cudaFree(void* pointer) {
  return call([&] {
    if (pointer == nullptr) return cudaSuccess;
    if (refused_while_capturing()) return cudaErrorStreamCaptureUnsupported;
    wait_for_all();
    if (!release(pointer)) fault("cudaFree of " + describe(pointer));
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t s) {
  return call([&] {
    const bool to_device = on_device(to), from_device = on_device(from);
    const cudaMemcpyKind fits =
        to_device     ? from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice
        : from_device ? cudaMemcpyDeviceToHost
                      : cudaMemcpyHostToHost;
    if (bytes == 0) return cudaSuccess;
    if (kind != fits && kind != cudaMemcpyDefault)
      fault(fmt::format("cudaMemcpyAsync of another kind than from {} to {}", describe(from),
                        describe(to)));
    if (fits != cudaMemcpyDeviceToDevice && s != nullptr && s->capture) {
      s->capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    Task task(Task::kWork);
    switch (fits) {
      case cudaMemcpyDeviceToDevice:
        task.name = keep("cudaMemcpyAsync on the device");
        task.work = [=] { copy_bytes(to, from, bytes); };
        return enqueue(s, std::move(task));
      case cudaMemcpyHostToDevice: {  // pageable memory is staged before the call returns
        task.name = keep("cudaMemcpyAsync to the device");
        const auto* const begin = static_cast<const char*>(from);
        task.work = [=, staged = std::vector<char>(begin, begin + bytes)] {
          std::memcpy(written_bytes(to, bytes), staged.data(), bytes);
        };
        return enqueue(s, std::move(task));
      }
      default: {
        task.name = keep("cudaMemcpyAsync to the host");
        task.work = [=] {
          check_range(from, bytes, Range::kCopied);
          std::memcpy(to, from, bytes);
        };
        const cudaError_t error = enqueue(s, std::move(task));
        if (error == cudaSuccess) wait_for(s);
        return error;
      }
    }
  });
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t s) {
  return call([&] {
    if (bytes == 0) return cudaSuccess;
    if (!on_device(to)) fault("cudaMemsetAsync of " + describe(to));
    Task task(Task::kWork);
    task.name = keep("cudaMemsetAsync");
    task.work = [=] { std::memset(written_bytes(to, bytes), value, bytes); };
    return enqueue(s, std::move(task));
  });
}

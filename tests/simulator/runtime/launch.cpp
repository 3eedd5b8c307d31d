// Launches of kernels, as calls.
#include <map>
#include <utility>

#include <fmt/format.h>

#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/kernel.hpp"
#include "tests/simulator/runtime/limits.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/symbols.hpp"

namespace simulator {
namespace {

const std::string* name_of(const Launch& launch) {
  static std::map<std::pair<const void*, int>, const std::string*> names;
  const std::string*& name = names[{launch.kernel, launch.line}];
  if (name == nullptr)
    name = keep(fmt::format("{} ({}:{})", function_name(launch.kernel), launch.file, launch.line));
  return name;
}

/// Where an exchange is to fail, counted from then on.
bool is_endless(int64_t launch) {
  if (options().endless_launch == 0) return false;
  if (options().failing_exchange == 0) return launch == options().endless_launch;
  return counts.launches_before_failure >= 0 &&
         launch == counts.launches_before_failure + options().endless_launch;
}

}  // namespace

void enqueue(const Launch& launch, cudaStream_t stream) {
  call([&] {
    if (++counts.launches == options().failing_launch) give_up(cudaErrorIllegalAddress);
    if (sticky_error() != cudaSuccess) return sticky_error();
    if (const Refusal refusal = refuse_launch(launch); refusal.error != cudaSuccess) {
      report(fmt::format("a launch at {}:{}: {}", launch.file, launch.line, refusal.why));
      return refusal.error;
    }
    Task task(Task::kWork);
    task.name = name_of(launch);
    const uint64_t seed = draw();
    task.work = [launch, seed] { run_kernel(launch, seed); };
    if (is_endless(counts.launches)) {
      ++counts.endless;
      task.ready = [] { return false; };
    }
    return enqueue(stream, std::move(task));
  });
}
cudaError_t get_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  return call([&] {
    if (options().broken == Options::Broken::kNoCode) return cudaErrorNoKernelImageForDevice;
    attributes->maxThreadsPerBlock = launch_bound(kernel);
    return cudaSuccess;
  });
}
cudaError_t set_attribute(const void* kernel, cudaFuncAttribute which, int value) {
  return call([&] {
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    const Refusal refusal = set_dynamic_limit(kernel, value);
    if (refusal.error != cudaSuccess) report("cudaFuncSetAttribute: " + refusal.why);
    return refusal.error;
  });
}

}  // namespace simulator

#include "tests/simulator/runtime/limits.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <unordered_map>

#include <fmt/format.h>

#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/symbols.hpp"

namespace simulator {
namespace {

std::unordered_map<const void*, size_t> dynamic_limits;  // of kernels that asked for more

struct Needs {
  int registers = 0;        // a thread
  size_t static_bytes = 0;  // of shared memory
};

/// What ptxas says of each kernel, where the back end was also compiled by nvcc: lines of
/// architecture, mangled name, registers, bytes.
const std::unordered_map<std::string, Needs>& table() {
  static const auto read = [] {
    std::unordered_map<std::string, Needs> all;
    const char* const other = std::getenv("CUDASIM_PTXAS");
    std::ifstream file(other != nullptr ? other : SIMULATOR_PTXAS_TABLE);
    int architecture = 0;
    std::string name;
    Needs needs;
    while (file >> architecture >> name >> needs.registers >> needs.static_bytes)
      if (architecture == options().architecture) all[name] = needs;
    return all;
  }();
  return read;
}

size_t limit_of(const void* kernel) {
  const auto found = dynamic_limits.find(kernel);
  return std::max(kSharedDefault, found == dynamic_limits.end() ? 0 : found->second);
}

/// Registers are given to warps in units of 256.
constexpr int kRegistersPerBlock = 65536, kRegisterUnit = 256;

}  // namespace

size_t shared_opt_in() { return options().architecture >= 90 ? 227 << 10 : 163 << 10; }

Refusal refuse_launch(const Launch& l) {
  const uint64_t threads = uint64_t{l.block.x} * l.block.y * l.block.z;
  if (l.grid.x == 0 || l.grid.y == 0 || l.grid.z == 0 || l.grid.x > 0x7FFFFFFFu ||
      l.grid.y > 65535 || l.grid.z > 65535)
    return {cudaErrorInvalidConfiguration,
            fmt::format("a grid of ({}, {}, {}) blocks", l.grid.x, l.grid.y, l.grid.z)};
  if (threads == 0 || threads > 1024 || l.block.z > 64)
    return {cudaErrorInvalidConfiguration,
            fmt::format("a block of ({}, {}, {}) threads", l.block.x, l.block.y, l.block.z)};
  const int bound = launch_bound(l.kernel);
  if (bound > 0 && threads > static_cast<uint64_t>(bound))
    return {cudaErrorLaunchOutOfResources,
            fmt::format("a block of {} threads where __launch_bounds__ says {}", threads, bound)};
  const auto known = table().find(symbol_of(l.kernel));
  const Needs needs = known == table().end() ? Needs{} : known->second;
  const int warps = static_cast<int>((threads + 31) / 32);
  const int of_warp = (32 * needs.registers + kRegisterUnit - 1) / kRegisterUnit * kRegisterUnit;
  if (warps * of_warp > kRegistersPerBlock)
    return {cudaErrorLaunchOutOfResources,
            fmt::format("{} warps of {} registers a thread: over {} a block", warps,
                        needs.registers, kRegistersPerBlock)};
  const size_t limit = limit_of(l.kernel);
  if (l.shared_bytes > limit || l.shared_bytes + needs.static_bytes > shared_opt_in() ||
      (limit == kSharedDefault && l.shared_bytes + needs.static_bytes > kSharedDefault))
    return {cudaErrorInvalidValue,
            fmt::format("{} bytes of dynamic and {} of static shared memory: over {}",
                        l.shared_bytes, needs.static_bytes, limit)};
  return {};
}

Refusal set_dynamic_limit(const void* kernel, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > shared_opt_in())
    return {cudaErrorInvalidValue,
            fmt::format("{} bytes of dynamic shared memory: over {}", bytes, shared_opt_in())};
  dynamic_limits[kernel] = static_cast<size_t>(bytes);
  return {};
}

std::string shared_refusal(size_t static_bytes, size_t dynamic_bytes) {
  if (static_bytes > kSharedDefault)
    return fmt::format("{} bytes of static shared memory: over {}", static_bytes, kSharedDefault);
  const size_t limit = dynamic_bytes > kSharedDefault ? shared_opt_in() : kSharedDefault;
  if (static_bytes + dynamic_bytes > limit)
    return fmt::format("{} bytes of static and {} of dynamic shared memory: over {}", static_bytes,
                       dynamic_bytes, limit);
  return "";
}

}  // namespace simulator

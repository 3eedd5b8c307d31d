#include "tests/simulator/runtime/options.hpp"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

namespace simulator {
namespace {

int64_t number(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return otherwise;
  char* end = nullptr;
  const int64_t value = std::strtoll(text, &end, 10);
  if (end != text && *end == '\0' && value >= 0) return value;
  std::fprintf(stderr, "simulated device: %s=%s is not a number\n", name, text);
  std::exit(kFaultExitCode);
}

Options::Broken broken() {
  const char* const text = std::getenv("CUDASIM_BROKEN");
  if (text == nullptr) return Options::Broken::kNothing;
  const std::string names[] = {"", "no_driver", "old_driver", "no_device", "busy", "no_code"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (text == names[i]) return static_cast<Options::Broken>(i);
  std::fprintf(stderr,
               "simulated device: CUDASIM_BROKEN=%s is unknown: no_driver, old_driver, no_device, "
               "busy or no_code\n",
               text);
  std::exit(kFaultExitCode);
}

}  // namespace

const Options& options() {
  static const Options read = [] {
    Options o{};
    o.seed = static_cast<uint64_t>(number("CUDASIM_SEED", 1));
    o.multiprocessors = static_cast<int>(number("CUDASIM_SMS", 2));
    o.devices = static_cast<int>(number("CUDASIM_DEVICES", 1));
    o.architecture = static_cast<int>(number("CUDASIM_ARCH", 90));
    o.eager = number("CUDASIM_EAGER", 0) != 0;
    o.races = number("CUDASIM_RACES", 1) != 0;
    o.guard = number("CUDASIM_GUARD", 1) != 0;
    o.faults_stick = number("CUDASIM_STICKY", 0) != 0;
    o.verbose = number("CUDASIM_VERBOSE", 0) != 0;
    o.broken = broken();
    o.failing_allocation = number("CUDASIM_FAILING_ALLOCATION", 0);
    o.failing_launch = number("CUDASIM_FAILING_LAUNCH", 0);
    o.endless_launch = number("CUDASIM_ENDLESS_LAUNCH", 0);
    o.failing_exchange = number("CUDASIM_FAILING_EXCHANGE", 0);
    return o;
  }();
  return read;
}

}  // namespace simulator

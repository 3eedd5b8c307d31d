#include "tests/simulator/runtime/fault.hpp"

#include <cstdio>

#include <unistd.h>

#include "tests/simulator/runtime/options.hpp"

namespace simulator {
namespace {

int reported = 0;

}  // namespace

void report(const std::string& what) {
  ++reported;
  std::fflush(stdout);
  std::fprintf(stderr, "simulated device: FAULT: %s\n", what.c_str());
  std::fflush(stderr);
  if (!options().faults_stick) _exit(kFaultExitCode);
}

void fault(const std::string& what) {
  report(what);
  throw Fault(what);
}

int faults_reported() { return reported; }

}  // namespace simulator

// The environment variables of tests/simulator/README.md, read once.
#pragma once

#include <cstdint>

namespace simulator {

struct Options {
  uint64_t seed;
  int multiprocessors;
  int devices;
  int architecture;   // 80 or 90
  bool eager;         // work runs as soon as it can, not when it is waited for
  bool races;         // are looked for
  bool guard;         // device memory is closed to the host
  bool faults_stick;  // a fault is returned by this call and every later one; else the process ends
  bool verbose;
};
const Options& options();

inline constexpr int kFaultExitCode = 99;

}  // namespace simulator

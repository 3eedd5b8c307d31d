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
  // What a machine may lack, and when a device gives up:
  enum class Broken { kNothing, kNoDriver, kOldDriver, kNoDevice, kBusy, kNoCode } broken;
  int64_t failing_allocation;  // the number of the one that finds no memory; 0: none
  int64_t failing_launch;      // that of the one that ends the device; 0: none
  int64_t endless_launch;      // that of the one that never ends; 0: none
  int64_t failing_exchange;    // that of NCCL's that no other rank answers; 0: none
};
const Options& options();

inline constexpr int kFaultExitCode = 99;

}  // namespace simulator

// A fault: what a GPU might not show, or show later and elsewhere. It is told on stderr and ends
// the process with code 99; or, with CUDASIM_STICKY=1, it becomes the error of every later call.
#pragma once

#include <stdexcept>
#include <string>

namespace simulator {

class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Tells of it. Ends the process, or returns where faults stick.
void report(const std::string& what);
/// Outside of kernels: report, then throw Fault.
[[noreturn]] void fault(const std::string& what);
int faults_reported();

}  // namespace simulator

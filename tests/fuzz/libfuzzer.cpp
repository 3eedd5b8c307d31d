// What libFuzzer calls: the one target that is linked.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    mgqe::fuzzing::run_target(mgqe::fuzzing::fuzz_targets().front(), {data, size});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "finding: no InputError, but: %s\n", error.what());
    std::abort();  // libFuzzer keeps the input
  }
  return 0;
}

// Sizes of tests that want many rows, where each costs more than usual (a simulated device).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace mgqe::testing {

/// n, or the share of it that MGQE_TEST_SCALE says, but at least `least`.
inline int64_t scaled(int64_t n, int64_t least) {
  const char* const share = std::getenv("MGQE_TEST_SCALE");
  if (share == nullptr) return n;
  return std::max(least, static_cast<int64_t>(static_cast<double>(n) * std::atof(share)));
}

}  // namespace mgqe::testing

// Apart from make_backend(), so that who makes a back end by itself is not linked with all of them.
#include <chrono>

#include "host/engine/backend.hpp"

namespace mgqe {

double Backend::seconds_of(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  synchronize();
  const Clock::time_point began = Clock::now();
  work();
  synchronize();
  return std::chrono::duration<double>(Clock::now() - began).count();
}

}  // namespace mgqe

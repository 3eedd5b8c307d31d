#include "experiments/bench/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace mgqe::bench {

void show_progress(const std::string& text) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) fmt::print(stderr, "\r\033[K{}", text);
}

}  // namespace mgqe::bench

#include "host/base/host_name.hpp"

#include <unistd.h>

namespace mgqe {

std::string host_name() {
  char name[256] = "";
  static_cast<void>(gethostname(name, sizeof(name) - 1));
  return name;
}

}  // namespace mgqe

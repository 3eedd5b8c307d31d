// The name of this machine.
#pragma once

#include <string>

namespace mgqe {

std::string host_name();

}  // namespace mgqe

// What stands for the service where the HTTP library was not found.
#include "experiments/serving/http/service.hpp"

#include "host/base/check.hpp"

namespace mgqe {

void run_service(const ServiceOptions&) {
  input_error("mgqe was built without its HTTP service: install libcpp-httplib-dev and pkg-config ",
              "(apt-get install -y libcpp-httplib-dev pkg-config), and build again");
}

}  // namespace mgqe

// The service: models that answer over HTTP until it is told to end.
#pragma once

#include <string>

#include "experiments/serving/http/limits.hpp"
#include "experiments/serving/http/live_models.hpp"

namespace mgqe {

struct ServiceOptions {
  ServedFiles files;
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any that is free
  int threads = 1;  // of one request
  HttpLimits limits;
};

/// Serves until SIGINT or SIGTERM; requests under way are answered. InputError where files cannot
/// be served, the port is taken, or the program was built without an HTTP library.
void run_service(const ServiceOptions& options);

}  // namespace mgqe

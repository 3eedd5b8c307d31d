// What one client may ask of the service, so that none can hold it from the others.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mgqe {

struct HttpLimits {
  size_t head_bytes = 16 * 1024;  // request line and headers
  size_t body_bytes = 1 << 20;
  int64_t k = 1000;
  int64_t users = 256;       // of one request
  int64_t history = 10'000;  // items of one history
  int64_t list = 100'000;    // ids of an allow or block list, rows of a look-up
  int concurrency = 64;      // requests that are computed at once
  size_t connections = 256;  // a thread each
  /// For a whole request to arrive, and again for its answer to be taken.
  std::chrono::milliseconds transfer{10'000};
  /// For the next request on a connection to begin.
  std::chrono::milliseconds idle{15'000};
};

}  // namespace mgqe

// A request that is refused, and by which status.
#pragma once

#include <stdexcept>
#include <string>

namespace mgqe {

class HttpError : public std::runtime_error {
 public:
  HttpError(int status, const std::string& what) : std::runtime_error(what), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

}  // namespace mgqe

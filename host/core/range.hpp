// Range: a named stretch of a profiler's timeline, from here to the end of the scope.
#pragma once

#include "host/core/backend.hpp"

namespace mgqe {

class Range {
 public:
  Range(Backend& backend, const char* name) : backend_(backend) { backend_.begin_range(name); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
  ~Range() { backend_.end_range(); }

  /// Ends here and begins anew under another name.
  void next(const char* name) {
    backend_.end_range();
    backend_.begin_range(name);
  }

 private:
  Backend& backend_;
};

}  // namespace mgqe

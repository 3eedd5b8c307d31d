// ProfileRange: a named stretch of a profiler's timeline, from here to the end of the scope.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

class ProfileRange {
 public:
  ProfileRange(Backend& backend, const char* name) : backend_(backend) {
    backend_.begin_range(name);
  }
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;
  ~ProfileRange() { backend_.end_range(); }

  /// Ends here and begins anew under another name.
  void next(const char* name) {
    backend_.end_range();
    backend_.begin_range(name);
  }

 private:
  Backend& backend_;
};

}  // namespace mgqe

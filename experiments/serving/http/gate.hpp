// So many at once and no more.
#pragma once

#include <atomic>

namespace mgqe {

/// A place among `most`, if there was one.
class Gate {
 public:
  Gate(std::atomic<int>& inside, int most) : inside_(inside), entered_(++inside <= most) {}
  Gate(const Gate&) = delete;
  ~Gate() { --inside_; }
  bool entered() const { return entered_; }

 private:
  std::atomic<int>& inside_;
  bool entered_;
};

}  // namespace mgqe

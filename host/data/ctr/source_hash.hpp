// SourceHash: of a file's bytes, taken while they are read, so that none is fetched twice.
#pragma once

#include <cstdint>

#include "host/io/bytes.hpp"

namespace mgqe {

class SourceHash {
 public:
  explicit SourceHash(Bytes bytes);

  /// The first `end` bytes have been read.
  void advance(int64_t end);
  /// Of all of them, and of how many there are.
  uint64_t finish();

 private:
  static constexpr int kLanes = 4;

  Bytes bytes_;
  int64_t done_ = 0;  // whole stripes of a word for each lane
  uint64_t lanes_[kLanes];
};

}  // namespace mgqe

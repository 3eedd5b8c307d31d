#include "host/data/ctr/source_hash.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/data/text/byte_table.hpp"

namespace mgqe {

namespace {

constexpr uint64_t kFactor = 0x9E3779B97F4A7C15ull;

uint64_t mix(uint64_t state, uint64_t word) {
  const uint64_t product = (state ^ word) * kFactor;
  return product ^ product >> 32;
}

}  // namespace

SourceHash::SourceHash(Bytes bytes) : bytes_(std::move(bytes)) {
  for (int lane = 0; lane < kLanes; ++lane) lanes_[lane] = kFactor * (lane + 1);
}

void SourceHash::advance(int64_t end) {
  constexpr int64_t kStripe = kLanes * 8;
  const uint8_t* const data = bytes_.span().data();
  for (; done_ + kStripe <= std::min(end, bytes_.size()); done_ += kStripe) {
    uint64_t words[kLanes];
    std::memcpy(words, data + done_, sizeof words);
    for (int lane = 0; lane < kLanes; ++lane) lanes_[lane] = mix(lanes_[lane], words[lane]);
  }
}

uint64_t SourceHash::finish() {
  advance(bytes_.size());
  uint64_t hash = mix(static_cast<uint64_t>(bytes_.size()),
                      hash_bytes(bytes_.text().substr(static_cast<size_t>(done_))));
  for (const uint64_t lane : lanes_) hash = mix(hash, lane);
  return hash;
}

}  // namespace mgqe

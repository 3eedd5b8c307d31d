// The hash behind the fingerprints of data sets: of values in order, the same on every machine.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "host/data/dataset.hpp"

namespace mgqe {

class Hasher {
 public:
  void add(uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15ull;
    state_ ^= state_ >> 32;
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const T& value : values) add(static_cast<uint64_t>(value));
  }
  void add(const std::vector<float>& values) {
    add(values.size());
    for (const float value : values) add(std::bit_cast<uint32_t>(value));
  }
  void add(const std::string& text) {
    add(text.size());
    for (const char c : text) add(static_cast<unsigned char>(c));
  }
  void add(const DataIds& ids) {
    add(ids.integers);
    add(ids.strings.size());
    for (const std::string& id : ids.strings) add(id);
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xCBF29CE484222325ull;
};

}  // namespace mgqe

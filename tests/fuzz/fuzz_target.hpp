// A format as a fuzzer meets it: what reads its bytes, and bytes to begin with. What links it calls
// it, libFuzzer (preset `fuzz`) or the replay of corpus_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/check.hpp"
#include "host/io/bytes.hpp"

namespace mgqe::fuzzing {

using Input = std::span<const uint8_t>;

struct FuzzTarget {
  std::string name;
  /// Reads bytes of a stranger. InputError is what they deserve; any other exception, and whatever
  /// a sanitizer says, is a finding.
  void (*read)(Input input);
  /// Well-formed inputs, small ones, made by the tree's own writers where they are binary.
  std::vector<std::string> (*seeds)();
};

/// The targets that are linked, by name.
const std::vector<FuzzTarget>& fuzz_targets();

struct RegisteredTarget {
  explicit RegisteredTarget(FuzzTarget target);
};

/// Throws whatever is a finding.
void run_target(const FuzzTarget& target, Input input);

/// What must hold of anything that was read; MGQE_CHECK's Error is a finding.
#define FUZZ_EXPECT(...) MGQE_CHECK(__VA_ARGS__)

// ---- for targets --------------------------------------------------------------------------------

/// Takes bytes off the front of an input, zeros behind its end.
class InputReader {
 public:
  explicit InputReader(Input input) : rest_(input) {}

  template <class T>
  T take() {
    T value{};
    auto* const bytes = reinterpret_cast<uint8_t*>(&value);
    for (size_t i = 0; i < sizeof value && !rest_.empty(); ++i) bytes[i] = byte();
    return value;
  }
  Input rest() const { return rest_; }

 private:
  uint8_t byte() {
    const uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

  Input rest_;
};

/// Bytes at an address that arrays of any type can have, as a mapped file has.
Bytes aligned_bytes(Input input, const std::string& name);

/// A whole file where the input is as long as one of ours; else one of ours with bytes changed: its
/// number, then a place (two bytes) and a byte, again and again. What lies deep in a file, behind a
/// header that must stay whole, is reached sooner so.
std::string whole_or_changed(Input input, const std::vector<std::string>& ours);

/// For readers that take a path alone: this process's file of that name, in memory where the system
/// has such a folder. Its bytes are those of the last call.
std::string file_of(const std::string& name, Input input);
/// The path itself, for a seed's writer.
std::string scratch_path(const std::string& name);
/// What a file holds.
std::string bytes_of(const std::string& path);

/// A byte of options and what follows it.
inline std::string led_by(char first, const std::string& rest) {
  std::string text(1, first);
  text += rest;
  return text;
}

inline Input input_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace mgqe::fuzzing

// Bytes: those of a file, read or mapped, or of memory, so that one reader serves files, mapped
// tables and fuzzers alike.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mgqe {

/// A span and what keeps it alive; copies share it.
class Bytes {
 public:
  Bytes() = default;

  /// The content of a file, mapped where the system can, so that what is not looked at is not read;
  /// a pipe is read to its end. A mapped file must not be cut meanwhile: those of ours are
  /// replaced, never written in place. InputError naming the path where it is missing or cannot be
  /// read.
  static Bytes map(const std::filesystem::path& path);
  /// The same, read into memory; like a mapping, it starts on (at least) 64 bytes.
  static Bytes read(const std::filesystem::path& path);
  /// Takes over a text.
  static Bytes own(std::string text, std::string name = kMemory);
  /// Memory that the caller keeps alive.
  static Bytes view(std::span<const uint8_t> span, std::string name = kMemory);
  static Bytes view(std::string_view text, std::string name = kMemory);

  std::span<const uint8_t> span() const { return span_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(span_.data()), span_.size()};
  }
  int64_t size() const { return static_cast<int64_t>(span_.size()); }
  /// What messages call it: the path of the file, or "<memory>".
  const std::string& name() const { return name_; }

  static constexpr const char* kMemory = "<memory>";

 private:
  Bytes(std::shared_ptr<const void> owner, std::span<const uint8_t> span, std::string name)
      : owner_(std::move(owner)), span_(span), name_(std::move(name)) {}

  std::shared_ptr<const void> owner_;  // null: the caller
  std::span<const uint8_t> span_;
  std::string name_ = kMemory;
};

}  // namespace mgqe

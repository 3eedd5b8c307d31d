// A file by its descriptor: the one place where a call that a signal cut short is made again, and a
// write of a part goes on behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include <sys/types.h>

namespace mgqe {

/// Owns a descriptor, or none. What fails leaves errno, for the caller knows what the file is for.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  /// Of a file opened with `flags`, closed in child processes; none where it cannot be opened.
  Descriptor(const std::filesystem::path& path, int flags);
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  /// All of it, or false.
  bool write(const void* data, size_t bytes) const;
  /// Some bytes, up to `room`: 0 at the end, -1 where it fails.
  ssize_t read(void* to, size_t room) const;
  /// All of it from that place on; false also where the file ends before, with errno EIO.
  bool read_at(int64_t offset, void* to, size_t bytes) const;
  /// Waits until what was written is on disk; false where it may not be. True where the file system
  /// knows no such wait.
  bool sync() const;
  /// False where what was written may be lost. There is none afterwards.
  bool close();

 private:
  int release();

  int fd_ = -1;
};

}  // namespace mgqe

#include "host/io/descriptor.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace mgqe {

namespace {

/// The call again, while signals cut it short.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

Descriptor::Descriptor(const std::filesystem::path& path, int flags)
    : fd_(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); })) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  if (is_open()) ::close(fd_);
  fd_ = other.release();
  return *this;
}

Descriptor::~Descriptor() {
  if (is_open()) ::close(fd_);
}

int Descriptor::release() { return std::exchange(fd_, -1); }

bool Descriptor::write(const void* data, size_t bytes) const {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t count = uninterrupted([&] { return ::write(fd_, from, bytes); });
    if (count == 0) errno = ENOSPC;  // no file does so
    if (count <= 0) return false;
    from += count;
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

ssize_t Descriptor::read(void* to, size_t room) const {
  return uninterrupted([&] { return ::read(fd_, to, room); });
}

bool Descriptor::read_at(int64_t offset, void* to, size_t bytes) const {
  char* into = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t count = uninterrupted([&] { return ::pread(fd_, into, bytes, offset); });
    if (count == 0) errno = EIO;
    if (count <= 0) return false;
    into += count;
    offset += count;
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

bool Descriptor::sync() const {
  if (uninterrupted([&] { return ::fsync(fd_); }) == 0) return true;
  return errno == EINVAL || errno == ENOTSUP;  // pipes, and folders on some file systems
}

bool Descriptor::close() {
  // A descriptor that a signal kept close() from waiting for is closed all the same.
  return ::close(release()) == 0 || errno == EINTR;
}

}  // namespace mgqe

#include "host/io/bytes.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

std::span<const uint8_t> span_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// A file open for reading.
class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : path_(path.string()) {
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0 && errno == ENOENT) input_error(path_, ": no such file");
    if (fd_ < 0) fail();
    fstat(fd_, &status_);  // of an open file it cannot fail
    if (!S_ISDIR(status_.st_mode)) return;
    close(fd_);
    input_error(path_, ": not a file");
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { close(fd_); }

  bool regular() const { return S_ISREG(status_.st_mode); }
  size_t size() const { return static_cast<size_t>(status_.st_size); }
  int fd() const { return fd_; }

  /// To its end, wherever that is by now.
  std::string read_all() const {
    constexpr size_t kChunk = size_t{1} << 20;
    std::string text;
    while (true) {
      const size_t before = text.size();
      // One byte more than is expected shows the end without growing once more.
      text.resize(before + (before == 0 && regular() ? size() + 1 : kChunk));
      const ssize_t count = ::read(fd_, text.data() + before, text.size() - before);
      text.resize(before + (count > 0 ? static_cast<size_t>(count) : 0));
      if (count == 0) return text;
      if (count < 0 && errno != EINTR) fail();
    }
  }

 private:
  [[noreturn]] void fail() const {
    input_error(path_, ": cannot be read: ", system_message(errno));
  }

  std::string path_;
  int fd_ = -1;
  struct stat status_ = {};
};

}  // namespace

Bytes Bytes::own(std::string text, std::string name) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return Bytes(owner, span_of(*owner), std::move(name));
}

Bytes Bytes::view(std::span<const uint8_t> span, std::string name) {
  return Bytes(nullptr, span, std::move(name));
}

Bytes Bytes::view(std::string_view text, std::string name) {
  return Bytes(nullptr, span_of(text), std::move(name));
}

Bytes Bytes::read(const fs::path& path) { return own(OpenFile(path).read_all(), path.string()); }

Bytes Bytes::map(const fs::path& path) {
  const OpenFile file(path);
  const size_t size = file.size();
  // No system maps nothing, and some file systems map nothing at all.
  void* start = file.regular() && size > 0
                    ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0)
                    : MAP_FAILED;
  if (start == MAP_FAILED) return own(file.read_all(), path.string());
  std::shared_ptr<const void> owner(
      start, [size](const void* mapped) { munmap(const_cast<void*>(mapped), size); });
  return Bytes(std::move(owner), {static_cast<const uint8_t*>(start), size}, path.string());
}

}  // namespace mgqe

#include "host/io/bytes.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/descriptor.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

std::span<const uint8_t> span_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// Memory on the boundary that arrays of a file may ask for, which grows by copying.
class AlignedMemory {
 public:
  uint8_t* data() const { return data_.get(); }
  size_t capacity() const { return capacity_; }
  std::shared_ptr<const void> share() const { return data_; }

  void grow(size_t capacity, size_t used) {
    constexpr std::align_val_t kAlignment{64};
    std::shared_ptr<uint8_t> bigger(static_cast<uint8_t*>(::operator new(capacity, kAlignment)),
                                    [](uint8_t* memory) { ::operator delete(memory, kAlignment); });
    if (used > 0) std::memcpy(bigger.get(), data_.get(), used);
    data_ = std::move(bigger);
    capacity_ = capacity;
  }

 private:
  std::shared_ptr<uint8_t> data_;
  size_t capacity_ = 0;
};

/// A file open for reading.
class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : path_(path.string()), file_(path, O_RDONLY) {
    if (!file_.is_open() && errno == ENOENT) input_error(path_, ": no such file");
    if (!file_.is_open() || fstat(fd(), &status_) != 0) fail();
    if (S_ISDIR(status_.st_mode)) input_error(path_, ": not a file");
  }

  bool regular() const { return S_ISREG(status_.st_mode); }
  size_t size() const { return static_cast<size_t>(status_.st_size); }
  int fd() const { return file_.fd(); }

  /// To its end, wherever that is by now.
  AlignedMemory read_all(size_t& length) const {
    constexpr size_t kChunk = size_t{1} << 20;
    AlignedMemory memory;
    // One byte more than is expected shows the end without growing once more.
    memory.grow(regular() ? size() + 1 : kChunk, 0);
    for (length = 0;;) {
      if (length == memory.capacity()) memory.grow(2 * length + kChunk, length);
      const ssize_t count = file_.read(memory.data() + length, memory.capacity() - length);
      if (count < 0) fail();
      if (count == 0) return memory;
      length += static_cast<size_t>(count);
    }
  }

 private:
  [[noreturn]] void fail() const {
    input_error(path_, ": cannot be read: ", system_message(errno));
  }

  std::string path_;
  Descriptor file_;
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

Bytes Bytes::read(const fs::path& path) {
  size_t length = 0;
  const AlignedMemory memory = OpenFile(path).read_all(length);
  return Bytes(memory.share(), {memory.data(), length}, path.string());
}

Bytes Bytes::map(const fs::path& path) {
  const OpenFile file(path);
  const size_t size = file.size();
  // No system maps nothing, and some file systems map nothing at all.
  void* start = file.regular() && size > 0
                    ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0)
                    : MAP_FAILED;
  if (start == MAP_FAILED) {
    size_t length = 0;
    const AlignedMemory memory = file.read_all(length);
    return Bytes(memory.share(), {memory.data(), length}, path.string());
  }
  std::shared_ptr<const void> owner(
      start, [size](const void* mapped) { munmap(const_cast<void*>(mapped), size); });
  return Bytes(std::move(owner), {static_cast<const uint8_t*>(start), size}, path.string());
}

}  // namespace mgqe

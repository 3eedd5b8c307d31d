#include "host/io/run_lock.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/base/host_name.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr const char* kName = ".lock";

std::string content_of(int fd) {
  char text[256];
  const ssize_t length = pread(fd, text, sizeof text, 0);
  std::string content(text, length > 0 ? static_cast<size_t>(length) : 0);
  while (content.ends_with('\n')) content.pop_back();
  return content;
}

[[noreturn]] void refuse(const fs::path& lock, int fd) {
  const std::string holder = content_of(fd);
  close(fd);
  input_error("--out ", lock.parent_path().string(), " is in use by ",
              holder.empty() ? "another run" : holder, ": wait for its end, or give another --out");
}

/// Whether the path still leads to the open file: whoever held it may have removed it meanwhile.
bool is_at(int fd, const fs::path& path) {
  struct stat open_file {
  }, named{};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

bool is_held(int fd) { return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; }

}  // namespace

RunLock::RunLock(const fs::path& folder) : path_(folder / kName) {
  while (true) {
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) input_error(path_.string(), " cannot be written: ", system_message(errno));
    if (is_held(fd_)) refuse(path_, fd_);
    if (is_at(fd_, path_)) break;
    close(fd_);
  }
  const std::string holder = fmt::format("process {} on {}\n", getpid(), host_name());
  // What it says is for people: a disk that is full is found when there is something to keep.
  if (ftruncate(fd_, 0) == 0) static_cast<void>(!pwrite(fd_, holder.data(), holder.size(), 0));
}

RunLock::~RunLock() {
  unlink(path_.c_str());
  close(fd_);
}

void RunLock::require_free(const fs::path& folder) {
  const fs::path path = folder / kName;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (is_held(fd)) refuse(path, fd);
  close(fd);
}

}  // namespace mgqe

#include "host/io/atomic_file.hpp"

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/check.hpp"

namespace mgqe {

namespace fs = std::filesystem;

std::string system_message(int error) { return std::generic_category().message(error); }

int sync_to_disk(const fs::path& path) {
  const int fd = open(path.empty() ? "." : path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == EINVAL || error == ENOTSUP ? 0 : error;  // folders, on some file systems
}

namespace {

/// A file beside `path` that nobody else has, open for writing; -1 with errno where there can be
/// none. Process and count make names unique on one machine, O_EXCL among those that share a disk.
int open_beside(const fs::path& path, fs::path& beside) {
  static std::atomic<uint64_t> count{0};
  int fd = -1;
  do {
    beside = path;
    beside += fmt::format(".{}-{}.tmp", getpid(), count++);
    fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  return fd;
}

/// Where a link leads, which stays one.
fs::path target_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return path;
  const fs::path target = fs::canonical(path, error);
  return error ? path : target;
}

/// Refuses what a file would replace without being one.
void require_file(const fs::path& path, const struct stat& old) {
  if (!S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode))
    input_error(path.string(),
                " is a device, pipe or socket, which a file would replace: name a file");
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(target_of(path)) {
  struct stat old {};
  const bool replaces = stat(path_.c_str(), &old) == 0;
  if (replaces) require_file(path, old);
  const int fd = open_beside(path_, temporary_);
  if (fd >= 0 && replaces && S_ISREG(old.st_mode)) {
    // Whoever could not read the old file must not read the new one. Not everyone may give files
    // away.
    if (fchown(fd, old.st_uid, old.st_gid) != 0) errno = 0;
    fchmod(fd, old.st_mode & 0777);
  }
  if (fd >= 0) file_ = fdopen(fd, "wb");
  if (file_ == nullptr) fail("cannot be written");
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::remove(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (bytes > 0 && std::fwrite(data, 1, bytes, file_) != bytes) fail("could not be written");
}

void AtomicFile::commit() {
  // Closing writes what is still buffered, so a full disk may show only here.
  bool done = std::fflush(file_) == 0 && (fsync(fileno(file_)) == 0 || errno == EINVAL);
  int error = done ? 0 : errno;
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && done) done = false, error = errno;
  if (done && std::rename(temporary_.c_str(), path_.c_str()) != 0) done = false, error = errno;
  if (done) {
    error = sync_to_disk(path_.parent_path());
  } else {
    std::remove(temporary_.c_str());
  }
  if (error == 0) return;
  errno = error;
  fail("could not be written");
}

void AtomicFile::fail(const char* what) const {
  const int error = errno;
  input_error(path_.string(), " ", what, ": ", system_message(error));
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

void require_output_file(const char* flag, const fs::path& path,
                         const std::vector<std::string>& read) {
  std::error_code ignored;
  for (const std::string& other : read)
    if (fs::equivalent(path, other, ignored))
      input_error(flag, " ", path.string(), " is the file that is read: write to another");
  if (fs::is_directory(path, ignored))
    input_error(flag, " ", path.string(), " is a folder: name a file");
  struct stat old {};
  if (stat(path.c_str(), &old) == 0) require_file(path, old);
  const fs::path target = target_of(path);
  ensure_writable_directory(target.has_parent_path() ? target.parent_path() : fs::path("."));
}

void ensure_writable_directory(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    input_error("folder ", path.string(), " cannot be made: a file of that name exists");
  fs::create_directories(path, error);
  if (error)
    input_error("folder ", path.string(), " cannot be made: ", system_message(error.value()));
  if (access(path.c_str(), W_OK | X_OK) != 0)
    input_error("folder ", path.string(), " cannot be written to: ", system_message(errno));
}

}  // namespace mgqe

#include "host/io/atomic_file.hpp"

#include <atomic>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/check.hpp"

namespace mgqe {

namespace fs = std::filesystem;

std::string system_message(int error) { return std::generic_category().message(error); }

int sync_to_disk(const fs::path& path) {
  const Descriptor file(path.empty() ? "." : path, O_RDONLY);
  return file.is_open() && file.sync() ? 0 : errno;
}

namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;
constexpr std::string_view kSuffix = ".tmp";

/// A file beside `path` that nobody else has, open for writing; none, with errno, where there can
/// be none. Process and count make names unique on one machine, O_EXCL among those that share a
/// disk.
Descriptor open_beside(const fs::path& path, fs::path& beside) {
  static std::atomic<uint64_t> count{0};
  Descriptor file;
  do {
    beside = path;
    beside += fmt::format(".{}-{}{}", getpid(), count++, kSuffix);
    file = Descriptor(beside, O_WRONLY | O_CREAT | O_EXCL);
  } while (!file.is_open() && errno == EEXIST);
  return file;
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
  file_ = open_beside(path_, temporary_);
  if (!file_.is_open()) {
    temporary_.clear();
    fail("cannot be written");
  }
  if (!replaces || !S_ISREG(old.st_mode)) return;
  // Whoever could not read the old file must not read the new one. Not everyone may give files
  // away.
  static_cast<void>(!fchown(file_.fd(), old.st_uid, old.st_gid));
  fchmod(file_.fd(), old.st_mode & 0777);
}

AtomicFile::~AtomicFile() {
  if (file_.is_open()) file_.close();
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (buffer_.size() + bytes >= kBufferBytes) {
    if (!flush()) fail("could not be written");
    if (bytes >= kBufferBytes) {
      if (!file_.write(data, bytes)) fail("could not be written");
      return;
    }
  }
  buffer_.append(static_cast<const char*>(data), bytes);
}

bool AtomicFile::flush() {
  const bool written = file_.write(buffer_.data(), buffer_.size());
  buffer_.clear();
  return written;
}

void AtomicFile::commit() {
  // Some file systems say only now that the disk is full: when it is put there, or closed.
  if (!flush() || !file_.sync() || !file_.close() ||
      std::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail("could not be written");
  temporary_.clear();
  errno = sync_to_disk(path_.parent_path());
  if (errno != 0) fail("could not be written");
}

void AtomicFile::fail(const char* what) const {
  const int error = errno;
  input_error(path_.string(), " ", what, ": ", system_message(error));
}

void remove_file(const fs::path& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    input_error(path.string(), " cannot be removed: ", system_message(errno));
}

void remove_leftovers(const fs::path& path) {
  const std::string start = path.filename().string() + ".";
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  std::vector<fs::path> left;
  for (fs::directory_iterator entry(folder, error), end; entry != end && !error;
       entry.increment(error)) {
    std::string_view name = entry->path().native();
    name.remove_prefix(name.rfind('/') + 1);
    if (!name.starts_with(start) || !name.ends_with(kSuffix) ||
        name.size() <= start.size() + kSuffix.size())
      continue;
    name = name.substr(start.size(), name.size() - start.size() - kSuffix.size());
    if (name.find_first_not_of("0123456789-") == std::string_view::npos)
      left.push_back(entry->path());
  }
  for (const fs::path& file : left) fs::remove(file, error);
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
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_directory(status))
    input_error("folder ", path.string(), " cannot be made: a file of that name exists");
  fs::create_directories(path, error);
  if (error)
    input_error("folder ", path.string(), " cannot be made: ", system_message(error.value()));
  if (access(path.c_str(), W_OK | X_OK) != 0)
    input_error("folder ", path.string(), " cannot be written to: ", system_message(errno));
}

}  // namespace mgqe

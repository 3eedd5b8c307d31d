#include "host/io/atomic_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr const char* kUnfinished = ".tmp";

[[noreturn]] void fail(const fs::path& path, const char* what, int error) {
  input_error(path.string(), " ", what, ": ", system_message(error));
}

void require_on_disk(const fs::path& path) {
  if (const int error = sync_to_disk(path); error != 0) fail(path, "could not be written", error);
}

/// The folder and those above it that are missing; errno, or 0. The library's own asks first what
/// is there, and where it may not look says that nothing is.
int make_directories(const fs::path& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return 0;
  if (errno != ENOENT || !path.has_parent_path() || path.parent_path() == path) return errno;
  if (const int error = make_directories(path.parent_path()); error != 0 && error != EEXIST)
    return error;
  return ::mkdir(path.c_str(), 0777) == 0 ? 0 : errno;
}

fs::path with_suffix(fs::path path, const char* suffix) { return path += suffix; }

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& path)
    : path_(path), temporary_(with_suffix(path, kUnfinished)) {
  std::error_code error;
  fs::remove_all(temporary_, error);
  if (error) fail(path_, "cannot be written", error.value());
  if (const int failed = make_directories(temporary_); failed != 0)
    fail(path_, "cannot be written", failed);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  std::error_code error;
  for (fs::directory_iterator entry(temporary_, error), end; !error && entry != end;
       entry.increment(error))
    require_on_disk(entry->path());
  if (error) fail(path_, "could not be written", error.value());
  require_on_disk(temporary_);
  replace();
  committed_ = true;
  require_on_disk(path_.parent_path());
}

void AtomicFolder::replace() {
  std::error_code error;
  if (!fs::exists(path_, error)) {
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
      fail(path_, "could not be written", errno);
    return;
  }
  // Exchanged at once where the file system can; else there is a moment without either.
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(temporary_, error);
    return;
  }
  remove_atomically(path_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail(path_, "could not be written", errno);
}

void remove_atomically(const fs::path& folder) {
  const fs::path aside = with_suffix(folder, ".old.tmp");
  std::error_code error;
  fs::remove_all(aside, error);
  if (std::rename(folder.c_str(), aside.c_str()) != 0) fail(folder, "cannot be removed", errno);
  fs::remove_all(aside, error);
  if (error) fail(folder, "cannot be removed", error.value());
}

void remove_unfinished(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == kUnfinished) unfinished.push_back(entry->path());
  for (const fs::path& path : unfinished) fs::remove_all(path, error);
}

}  // namespace mgqe

// Files that appear under their final name complete or not at all, and the folders they go to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "host/io/descriptor.hpp"

namespace mgqe {

/// Writes to a file of its own beside PATH, PATH.<something>.tmp, and on commit() puts it on disk
/// and renames it to PATH, so that not even a power failure leaves a part, and of several that
/// write the same PATH at once the last to commit stays whole. Destroyed without commit() it leaves
/// no trace, and an older PATH stays as it was. A new one has the owner and permissions of the old,
/// a link is followed; what is no file is refused. Every failure is an InputError with the path and
/// the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, size_t bytes);
  void commit();

 private:
  bool flush();
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty once it is no more
  Descriptor file_;
  std::string buffer_;
};

/// Removes a file where there is one; InputError where it cannot.
void remove_file(const std::filesystem::path& path);

/// Removes what processes that were killed left beside PATH. For whoever knows that nobody writes
/// it now.
void remove_leftovers(const std::filesystem::path& path);

void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// To be called before the work whose result goes to the file `path`, which `flag` names:
/// InputError where it is one of the files that are `read`, is no file, or its folder cannot be
/// written to.
void require_output_file(const char* flag, const std::filesystem::path& path,
                         const std::vector<std::string>& read);

/// Makes `path` and its parents; InputError with the path and the reason when it cannot be made, is
/// not a folder, or cannot be written to.
void ensure_writable_directory(const std::filesystem::path& path);

/// Waits until a file's content, or a folder's entries, are on disk; the errno, 0 when they are, or
/// where the file system knows no such wait.
int sync_to_disk(const std::filesystem::path& path);

/// The system's message for an errno value, e.g. "No space left on device".
std::string system_message(int error);

}  // namespace mgqe

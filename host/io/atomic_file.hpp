// Files that appear under their final name complete or not at all, and the folders they go to.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string_view>

namespace mgqe {

/// Writes to PATH.tmp and renames it to PATH on commit(). Destroyed without commit() it leaves no
/// trace, and an older PATH stays as it was. Every failure is an InputError with the path and the
/// system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::FILE* file_ = nullptr;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Makes `path` and its parents; InputError with the path and the reason when it cannot be made, is
/// not a folder, or cannot be written to.
void ensure_writable_directory(const std::filesystem::path& path);

/// The system's message for an errno value, e.g. "No space left on device".
std::string system_message(int error);

}  // namespace mgqe

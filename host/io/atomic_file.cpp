#include "host/io/atomic_file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "host/base/check.hpp"

namespace mgqe {

namespace fs = std::filesystem;

std::string system_message(int error) { return std::generic_category().message(error); }

AtomicFile::AtomicFile(const fs::path& path) : path_(path), temporary_(path) {
  temporary_ += ".tmp";
  file_ = std::fopen(temporary_.c_str(), "wb");
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
  if (std::fclose(std::exchange(file_, nullptr)) == 0 &&
      std::rename(temporary_.c_str(), path_.c_str()) == 0)
    return;
  const int error = errno;
  std::remove(temporary_.c_str());
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

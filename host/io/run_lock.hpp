// One run at a time in a folder.
#pragma once

#include <filesystem>
#include <string>

namespace mgqe {

/// Holds FOLDER/.lock, which names its process. The system lets go of it when the process ends,
/// however it does; a file that is left then hinders nobody. Where the file system knows no locks
/// there is none.
class RunLock {
 public:
  /// Of a folder that exists; InputError with host and process id where another run holds it.
  explicit RunLock(const std::filesystem::path& folder);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

  /// The same InputError, before there is anything to hold it for. Writes nothing.
  static void require_free(const std::filesystem::path& folder);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace mgqe

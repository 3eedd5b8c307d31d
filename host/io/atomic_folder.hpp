// Folders that appear under their final name complete or not at all, and go the same way.
#pragma once

#include <filesystem>

namespace mgqe {

/// A folder in the making, PATH.tmp until commit(). Destroyed without commit() it leaves no trace,
/// and an older PATH stays as it was. Every failure is an InputError with the path and the system's
/// reason.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& path);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  /// Where its files are written meanwhile.
  const std::filesystem::path& temporary() const { return temporary_; }
  /// Puts its files on disk (fsync), so that not even a power failure leaves a part, and renames;
  /// an older PATH is exchanged and removed.
  void commit();

 private:
  void replace();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Renames the folder out of the way first, so that no part of it is left under its name.
void remove_atomically(const std::filesystem::path& folder);

/// Removes from `folder` what a killed process left of folders it was making or removing.
void remove_unfinished(const std::filesystem::path& folder);

}  // namespace mgqe

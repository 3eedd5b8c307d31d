// Histories: the items each user had in training, in time order, in a file beside the artifact
// whose rows it names; for leaving them out of recommendations and for encoders of sequences.
// FORMAT.md describes the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "host/io/artifact.hpp"
#include "host/io/bytes.hpp"
#include "host/serve/artifact_view.hpp"

namespace mgqe {

inline constexpr const char* kHistoriesFormat = "mgqe-histories";
inline constexpr int kHistoriesVersion = 1;

/// Writes aside and renames: user u had items[offsets[u], offsets[u + 1]), rows of an item table of
/// `item_rows`, oldest first. `fingerprint` is the artifact's data_fingerprint. InputError when the
/// file cannot be written, MGQE_CHECK on offsets (users + 1) that do not ascend from 0 to the
/// number of items, or an item that is no row. `user_ids`, one a user: for models that have no
/// table of users to know them by.
void write_histories(const std::filesystem::path& path, std::span<const int64_t> offsets,
                     std::span<const int32_t> items, int64_t item_rows, uint64_t fingerprint,
                     const OriginalIds* user_ids = nullptr);

/// Opened without reading an array. Copies share the bytes; const members may be called from many
/// threads at once.
class HistoriesView {
 public:
  /// InputError, one line with the name, unless it is such a file of a version known here.
  static HistoriesView open(const std::filesystem::path& path, OpenOptions options = {});
  static HistoriesView open(Bytes bytes);

  int64_t users() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t item_rows() const { return item_rows_; }
  /// Items of all users together.
  int64_t total() const { return static_cast<int64_t>(items_.size()); }
  uint64_t data_fingerprint() const { return fingerprint_; }
  /// Of the users, where the file has them; it lives as long as this.
  const IdMap* user_ids() const { return user_ids_ ? &*user_ids_ : nullptr; }

  /// The user's items, oldest first. InputError where there is no such user, or the file says that
  /// they lie outside its items. Item rows are within item_rows() once verify() has passed.
  std::span<const int32_t> of(int64_t user_row) const;

  /// Reads everything: checksum, offsets, item rows and ids; InputError at the first that is wrong.
  void verify() const;

 private:
  Bytes bytes_;
  std::span<const int64_t> offsets_;  // (users + 1)
  std::span<const int32_t> items_;    // (total)
  int64_t item_rows_ = 0;
  uint64_t fingerprint_ = 0;
  std::optional<IdMap> user_ids_;
};

}  // namespace mgqe

// LiveModels: the models that are served now, and their successors: files that are replaced by
// rename are opened, read through and checked, and only then take over. Whoever is answering goes
// on with what it began with.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "experiments/serving/served_model.hpp"

namespace mgqe {

struct ServedFiles {
  std::string artifact, histories, titles, full;  // all but the first may be empty
  std::string device = "cpu";                     // that the first is searched on
};

/// What is served together.
struct Models {
  std::shared_ptr<const ServedModel> served;
  std::shared_ptr<const ServedModel> full;  // null: none is given
};

/// From many threads at once.
class LiveModels {
 public:
  /// InputError where a file cannot be served. `threads`: of opening.
  LiveModels(ServedFiles files, int threads);

  Models current() const;
  /// Opens all files anew; InputError, and nothing changes, where one of them cannot be served.
  void reload();
  /// Whether any of them was replaced since it was last tried, by inode, size and time of change.
  bool replaced();

 private:
  struct Identity {
    uint64_t device = 0, inode = 0, size = 0;
    int64_t changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  using Identities = std::vector<Identity>;

  static Identity identify(const std::string& path);
  Identities identify() const;
  Models open() const;

  ServedFiles files_;
  int threads_;
  std::mutex opening_;        // one at a time
  Identities tried_;          // guarded by opening_
  mutable std::mutex mutex_;  // of current_
  Models current_;
};

}  // namespace mgqe

// What users had: of a file of histories beside the artifact, or of the data set it was trained on.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/serve/artifact_view.hpp"
#include "host/serve/histories.hpp"

namespace mgqe {

/// How far histories go.
enum class Until {
  kValidation,  // to before the validation item: what was trained on
  kTest,        // to before the test item, which is what `mgqe evaluate` ranks by
  kEnd,         // all that is known
};
Until parse_until(const std::string& name);  // "validation", "test" or "end"

/// Copies share everything. Const members may be called from many threads at once.
class KnownHistories {
 public:
  /// InputError unless the file is of the artifact's data.
  static KnownHistories open(const std::string& path, const ArtifactView& artifact,
                             OpenOptions options = {});
  /// Loads the data set that the artifact recorded, or `given` (by section and key) says instead;
  /// InputError where the artifact was trained on other data.
  static KnownHistories load(const ArtifactView& artifact, const nlohmann::json& given,
                             Until until);

  int64_t users() const;
  /// Rows of items, oldest first. InputError where there is no such user.
  std::span<const int32_t> of(int64_t user_row) const;
  /// By which users are known; null where the file does not say it.
  const IdMap* user_ids() const;
  /// Reads all of a file; InputError at the first that is wrong.
  void verify() const {
    if (view_) view_->verify();
  }
  /// As a file, which open() reads.
  void write(const std::string& path) const;

 private:
  struct Loaded;

  std::optional<HistoriesView> view_;
  std::shared_ptr<const Loaded> loaded_;
};

}  // namespace mgqe

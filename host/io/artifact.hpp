// model.safetensors, what a training run leaves to be served: packed tables, backbone weights, the
// way to the original ids and back, and where it all came from. It holds no query table.
//
// Arrays in the file, for a table named T of entity E ("user" for T = "user" or "gmf.user"):
//   T.table | T.codebook, T.codes.0 | ...    as PackedTable names those of its scheme
//   ids.E | ids.E.text, ids.E.offsets        as IdColumn names them; none where an id is its row
//   ids.E.order i32 (n)                      rows by ascending id
// and the backbone's own, e.g. gmf.weights. What has no array is in the metadata: the task, and as
// JSON the scheme, rows, dim, fields and tiers of every table, and what ids each entity has.
// host/serve/FORMAT.md has it all.
//
// Version 1 knew the schemes full and mgqe with a shared codebook, and the ranking task; version 2
// neither aligned arrays nor stored the order of ids. Both are still read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/io/artifact_description.hpp"
#include "host/io/bytes.hpp"
#include "host/io/size_report.hpp"
#include "host/packed/packed_model.hpp"

namespace mgqe {

/// The original id of each popularity rank: integers or strings, the other one stays empty.
struct OriginalIds {
  std::vector<int64_t> integers;
  std::vector<std::string> strings;

  int64_t size() const { return static_cast<int64_t>(integers.size() + strings.size()); }
  bool operator==(const OriginalIds&) const = default;
};

struct Artifact {
  PackedModel model;
  std::map<std::string, OriginalIds> ids;  // by entity, as many as its tables have rows
  nlohmann::json config;
  nlohmann::json fields;  // of a model of many features, where the rows of each lie; else null
  uint64_t seed = 0;
  int best_epoch = 0;
  uint64_t data_fingerprint = 0;
  std::string commit;
  std::string device;
};

/// Ids as they are stored: texts joined, sorted, or not at all where each is its row's number.
class StoredIds {
 public:
  explicit StoredIds(const OriginalIds& ids);

  /// Valid while this lives, and the ids it was made of.
  IdColumn column() const;
  /// By their names in the file of entity E.
  ArrayMap arrays(const std::string& entity) const;

 private:
  const OriginalIds& ids_;
  IdKind kind_ = IdKind::kIntegers;
  std::vector<uint8_t> text_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> order_;
};

/// Writes aside and renames. InputError when the file cannot be written, MGQE_CHECK when the
/// artifact is not consistent (see artifact_defect).
SizeReport write_artifact(const std::filesystem::path& path, const Artifact& artifact);

/// InputError, one line with the name, unless the file is an artifact of a version known here and
/// consistent throughout, codes included. `size` receives the sizes of the file read.
Artifact read_artifact(const Bytes& bytes, SizeReport* size = nullptr);
Artifact read_artifact(const std::filesystem::path& path, SizeReport* size = nullptr);

/// The first thing that does not fit in tables and id maps, e.g. "user.codebook is f32 [64, 32]
/// where [256, 32] belongs", or two rows with one id; empty when all is well.
std::string artifact_defect(const Artifact& artifact);
/// The same, given the ids as they would be stored.
std::string artifact_defect(const Artifact& artifact, const std::map<std::string, StoredIds>& ids);
std::map<std::string, StoredIds> store_ids(const Artifact& artifact);

}  // namespace mgqe

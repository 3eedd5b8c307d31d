// model.safetensors, what a training run leaves to be served: packed tables, backbone weights, the
// way back to the original ids, and where it all came from. It holds no query table.
//
// Arrays in the file, for a table named T of entity E ("user" for T = "user" or "gmf.user"):
//   T.table | T.codebook, T.codes.0 | ...    as PackedTable names those of its scheme
//   ids.E i64 (n)                            integer ids, or
//   ids.E.text u8, ids.E.offsets i64 (n + 1) string ids, id r at bytes offsets[r] .. offsets[r+1]
// and the backbone's own, e.g. gmf.weights. What has no array is in the metadata: the task, and as
// JSON the scheme, rows, dim, fields and tiers of every table.
//
// Version 1 knew the schemes full and mgqe with a shared codebook, and the ranking task; it is
// still read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

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
  uint64_t seed = 0;
  int best_epoch = 0;
  uint64_t data_fingerprint = 0;
  std::string commit;
  std::string device;
};

/// "user" of "user" and of "gmf.user".
std::string entity_of(const std::string& table_name);

/// The id maps as they are stored.
ArrayMap id_arrays(const std::map<std::string, OriginalIds>& ids);

/// Writes aside and renames. InputError when the file cannot be written, MGQE_CHECK when the
/// artifact is not consistent (see artifact_defect).
SizeReport write_artifact(const std::filesystem::path& path, const Artifact& artifact);

/// InputError, one line with the name, unless the file is an artifact of a version known here and
/// consistent throughout, codes included. `size` receives the sizes of the file read.
Artifact read_artifact(const Bytes& bytes, SizeReport* size = nullptr);
Artifact read_artifact(const std::filesystem::path& path, SizeReport* size = nullptr);

/// The first thing that does not fit in tables and id maps, e.g. "user.codebook is f32 [64, 32]
/// where [256, 32] belongs"; empty when all is well.
std::string artifact_defect(const Artifact& artifact);

/// Value of metadata "format" by which an artifact is known.
inline constexpr const char* kArtifactFormat = "mgqe-artifact";
inline constexpr int kArtifactVersion = 2;

}  // namespace mgqe

// All that the header of an artifact says, parsed and checked without a look at its arrays; what
// reads an artifact whole and what serves it from where it lies begin with it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/io/id_column.hpp"
#include "host/io/safetensors.hpp"
#include "host/io/size_report.hpp"
#include "host/packed/packed_model.hpp"

namespace mgqe {

/// Value of metadata "format" by which an artifact is known.
inline constexpr const char* kArtifactFormat = "mgqe-artifact";
inline constexpr int kArtifactVersion = 3;
/// Since version 3, arrays of tables and ids start on so many bytes of the file.
inline constexpr int64_t kArtifactAlignment = 64;

/// Backbone and task of a table that was not trained here: rows to look up, and no model.
inline constexpr const char* kTableBackbone = "table";
inline constexpr const char* kLookupTask = "lookup";
/// Entry of the config that lists what was done to the rows since they were trained, if anything.
inline constexpr const char* kEdits = "edits";

struct EntityDescription {
  int64_t rows = 0;
  IdKind ids = IdKind::kIntegers;
  bool ordered = false;  // whether the order of ids is stored
};

struct ArtifactDescription {
  int version = 0;
  std::string backbone;
  std::string task;
  nlohmann::json config;
  nlohmann::json fields;  // FORMAT.md, "Rows of many fields"; null where there are none
  uint64_t seed = 0;
  int best_epoch = 0;
  uint64_t data_fingerprint = 0;
  std::string commit;
  std::string device;
  std::map<std::string, PackedTable> tables;          // without arrays
  std::map<std::string, EntityDescription> entities;  // of the tables
  std::vector<std::string> dense;                     // arrays of the backbone
};

/// InputError, one line with the file's name, unless the header is that of an artifact of a version
/// known here, and has every array in the type, the shape and, since version 3, the place that it
/// must have. Whatever the arrays hold, their shapes are then safe to go by.
ArtifactDescription describe_artifact(const std::string& name, const SafetensorsHeader& header);

/// In words, why an artifact of that task and config is not as training left it, and cannot be
/// evaluated; empty where it is.
std::string untrained_defect(const std::string& task, const nlohmann::json& config);

/// What is wrong with the name of a task; empty where nothing is.
std::string task_defect(const std::string& task);

/// Names of the arrays that hold an entity's ids.
std::vector<ArraySpec> id_array_specs(const std::string& entity, const EntityDescription& ids);
/// They themselves, given where each array lies.
IdColumn id_column(const std::string& entity, const EntityDescription& ids,
                   const std::function<ArrayView(const std::string&)>& array);

/// "user" of "user" and of "gmf.user".
std::string entity_of(const std::string& table_name);

/// The sizes of the file that such a header begins. Checks that they add up.
SizeReport size_report(const ArtifactDescription& artifact, const SafetensorsHeader& header);

}  // namespace mgqe

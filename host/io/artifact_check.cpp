// Whether the pieces of an artifact fit each other; said in words, because a file may be anything.
#include <set>

#include <fmt/format.h>

#include "host/io/artifact.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace {

std::string describe(DType dtype, const std::vector<int64_t>& shape) {
  return fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", "));
}

std::string table_defect(const PackedTable& table) {
  if (std::string defect = shape_defect(table); !defect.empty()) return defect;
  const PackedScheme* scheme = find_scheme(table.scheme);
  const std::vector<ArraySpec> specs = scheme->expected_arrays(table);
  for (const auto& [name, dtype, shape, first_row] : specs) {
    const auto found = table.arrays.find(name);
    if (found == table.arrays.end()) return fmt::format("array {} is missing", name);
    if (found->second.dtype != dtype || found->second.shape != shape)
      return fmt::format("array {} is {} where {} belongs", name,
                         describe(found->second.dtype, found->second.shape),
                         describe(dtype, shape));
  }
  if (table.arrays.size() != specs.size()) return "it has arrays its scheme does not know";
  return scheme->values_defect(table, views_of(table.arrays));
}

}  // namespace

std::string artifact_defect(const Artifact& artifact,
                            const std::map<std::string, StoredIds>& stored) {
  const PackedModel& model = artifact.model;
  if (model.backbone.empty()) return "the backbone has no name";
  if (std::string defect = task_defect(model.task); !defect.empty()) return defect;
  if (model.tables.empty()) return "it has no embedding table";
  std::set<std::string> entities;
  for (const auto& [name, table] : model.tables) {
    entities.insert(entity_of(name));
    if (std::string defect = table_defect(table); !defect.empty())
      return fmt::format("table {}: {}", name, defect);
    const auto ids = artifact.ids.find(entity_of(name));
    if (ids == artifact.ids.end())
      return fmt::format("table {}: original ids of \"{}\" are missing", name, entity_of(name));
    if (ids->second.size() != table.rows)
      return fmt::format("table {} has {} rows, but {} original ids", name, table.rows,
                         ids->second.size());
  }
  for (const auto& [entity, ids] : artifact.ids) {
    if (!entities.contains(entity)) return fmt::format("ids of \"{}\" belong to no table", entity);
    if (!ids.integers.empty() && !ids.strings.empty())
      return fmt::format("ids of \"{}\" are integers and strings", entity);
    if (std::string defect = id_defect(stored.at(entity).column()); !defect.empty())
      return fmt::format("ids of \"{}\": {}", entity, defect);
  }
  return "";
}

std::string artifact_defect(const Artifact& artifact) {
  return artifact_defect(artifact, store_ids(artifact));
}

}  // namespace mgqe

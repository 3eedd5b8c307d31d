#include "host/io/artifact.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;
using nlohmann::json;

// ---- ids ----------------------------------------------------------------------------------------

namespace {

bool are_rows(const std::vector<int64_t>& ids) {
  for (size_t r = 0; r < ids.size(); ++r)
    if (ids[r] != static_cast<int64_t>(r)) return false;
  return true;
}

}  // namespace

StoredIds::StoredIds(const OriginalIds& ids) : ids_(ids) {
  if (!ids.strings.empty()) {
    kind_ = IdKind::kText;
    offsets_.push_back(0);
    for (const std::string& id : ids.strings) {
      text_.insert(text_.end(), id.begin(), id.end());
      offsets_.push_back(static_cast<int64_t>(text_.size()));
    }
  } else if (are_rows(ids.integers)) {
    kind_ = IdKind::kRows;
    return;
  }
  order_ = sort_rows(column());
}

IdColumn StoredIds::column() const {
  const size_t rows = kind_ == IdKind::kText ? ids_.strings.size() : ids_.integers.size();
  return {kind_, static_cast<int64_t>(rows), ids_.integers, offsets_, text_, order_};
}

ArrayMap StoredIds::arrays(const std::string& entity) const {
  const IdColumn ids = column();
  const std::string name = "ids." + entity;
  ArrayMap arrays;
  if (kind_ == IdKind::kRows) return arrays;
  if (kind_ == IdKind::kIntegers) arrays[name] = HostArray(ids.integers, {ids.rows});
  if (kind_ == IdKind::kText) {
    arrays[name + ".text"] = HostArray(text_, {offsets_.back()});
    arrays[name + ".offsets"] = HostArray(offsets_, {ids.rows + 1});
  }
  arrays[name + ".order"] = HostArray(order_, {ids.rows});
  return arrays;
}

std::map<std::string, StoredIds> store_ids(const Artifact& artifact) {
  std::map<std::string, StoredIds> stored;
  for (const auto& [entity, ids] : artifact.ids) stored.emplace(entity, ids);
  return stored;
}

// ---- writing ------------------------------------------------------------------------------------

namespace {

json describe_table(const PackedTable& table) {
  const PackedScheme& scheme = *find_scheme(table.scheme);
  json description = {{"scheme", table.scheme}, {"rows", table.rows}, {"dim", table.dim}};
  for (const PackedField& field : scheme.fields()) description[field.name] = table.*field.value;
  for (const PackedBlock& block : table.blocks)
    description["blocks"].push_back({{"end", block.end}, {"width", block.width}});
  if (!scheme.has_codes()) return description;
  description["private_codebooks"] = table.private_codebooks;
  if (table.codebook_type != DType::kF32)  // what readers before it know goes without saying
    description["codebook_type"] = "f16";
  if (scheme.may_rotate()) description["rotated"] = table.rotated;
  for (const PackedTier& tier : table.tiers)
    description["tiers"].push_back(
        {{"end", tier.end}, {"centroids", tier.centroids}, {"subspaces", tier.subspaces}});
  return description;
}

StringMap describe(const Artifact& artifact, const std::map<std::string, StoredIds>& ids) {
  json tables, entities;
  for (const auto& [name, table] : artifact.model.tables) tables[name] = describe_table(table);
  for (const auto& [entity, stored] : ids)
    entities[entity] = {{"rows", stored.column().rows},
                        {"ids", id_kind_name(stored.column().kind)}};
  StringMap text = {
      {"format", kArtifactFormat},
      {"version", std::to_string(kArtifactVersion)},
      {"backbone", artifact.model.backbone},
      {"task", artifact.model.task},
      {"tables", tables.dump()},
      {"entities", entities.dump(-1, ' ', false, json::error_handler_t::replace)},
      {"config", artifact.config.dump(-1, ' ', false, json::error_handler_t::replace)},
      {"seed", std::to_string(artifact.seed)},
      {"best_epoch", std::to_string(artifact.best_epoch)},
      {"data_fingerprint", std::to_string(artifact.data_fingerprint)},
      {"commit", artifact.commit},
      {"device", artifact.device}};
  if (!artifact.fields.is_null())
    text["fields"] = artifact.fields.dump(-1, ' ', false, json::error_handler_t::replace);
  return text;
}

/// Tables and ids, each on a boundary; the many small weights of a backbone lie close together.
std::vector<PlacedArray> lay_out(const PackedModel& model, const ArrayMap& ids) {
  std::vector<PlacedArray> placed;
  for (const auto& [table_name, table] : model.tables)
    for (const auto& [name, array] : table.arrays)
      placed.push_back({fmt::format("{}.{}", table_name, name), &array, kArtifactAlignment});
  for (const auto& [name, array] : ids) placed.push_back({name, &array, kArtifactAlignment});
  std::vector<PlacedArray> dense;
  for (const auto& [name, array] : model.dense)
    dense.push_back({name, &array, dtype_bytes(array.dtype)});
  std::stable_sort(dense.begin(), dense.end(), [](const PlacedArray& a, const PlacedArray& b) {
    return a.alignment > b.alignment;
  });
  if (!dense.empty()) dense.front().alignment = kArtifactAlignment;
  placed.insert(placed.end(), dense.begin(), dense.end());
  return placed;
}

}  // namespace

SizeReport write_artifact(const fs::path& path, const Artifact& artifact) {
  const std::map<std::string, StoredIds> stored = store_ids(artifact);
  const std::string defect = artifact_defect(artifact, stored);
  MGQE_CHECK(defect.empty(), "artifact for ", path.string(), ": ", defect);
  ArrayMap ids;
  for (const auto& [entity, column] : stored) ids.merge(column.arrays(entity));
  const SafetensorsHeader header =
      write_safetensors(path, lay_out(artifact.model, ids), describe(artifact, stored));
  return size_report(describe_artifact(path.string(), header), header);
}

// ---- reading ------------------------------------------------------------------------------------

namespace {

OriginalIds original_ids(const IdColumn& column) {
  OriginalIds ids;
  if (column.kind == IdKind::kRows) {
    ids.integers.resize(static_cast<size_t>(column.rows));
    std::iota(ids.integers.begin(), ids.integers.end(), int64_t{0});
  } else if (column.kind == IdKind::kIntegers) {
    ids.integers.assign(column.integers.begin(), column.integers.end());
  } else {
    std::string_view id;
    for (int64_t r = 0; r < column.rows && column.text_at(r, id); ++r) ids.strings.emplace_back(id);
  }
  return ids;
}

HostArray take(ArrayMap& arrays, const std::string& name) {
  return std::move(arrays.extract(name).mapped());
}

}  // namespace

Artifact read_artifact(const Bytes& bytes, SizeReport* size) {
  ArrayMap arrays = read_safetensors(bytes).arrays;
  const SafetensorsHeader header = read_safetensors_header(bytes);
  ArtifactDescription description = describe_artifact(bytes.name(), header);
  if (size != nullptr) *size = size_report(description, header);
  const auto refuse = [&](const std::string& what, const std::string& defect) {
    if (!defect.empty())
      input_error(bytes.name(), ": not a valid mgqe artifact: ", what, ": ", defect);
  };
  Artifact artifact;
  artifact.model.backbone = description.backbone;
  artifact.model.task = description.task;
  artifact.config = std::move(description.config);
  artifact.fields = std::move(description.fields);
  artifact.seed = description.seed;
  artifact.best_epoch = description.best_epoch;
  artifact.data_fingerprint = description.data_fingerprint;
  artifact.commit = description.commit;
  artifact.device = description.device;
  for (auto& [name, table] : description.tables) {
    for (const ArraySpec& spec : expected_arrays(table))
      table.arrays[spec.name] = take(arrays, name + "." + spec.name);
    refuse("table " + name,
           find_scheme(table.scheme)->values_defect(table, views_of(table.arrays)));
  }
  artifact.model.tables = std::move(description.tables);
  for (const auto& [entity, ids] : description.entities) {
    const IdColumn column = id_column(
        entity, ids, [&](const std::string& name) -> ArrayView { return arrays.at(name); });
    refuse("ids." + entity, id_defect(column));
    artifact.ids[entity] = original_ids(column);
  }
  for (const std::string& name : description.dense) artifact.model.dense[name] = take(arrays, name);
  return artifact;
}

Artifact read_artifact(const fs::path& path, SizeReport* size) {
  return read_artifact(Bytes::map(path), size);
}

}  // namespace mgqe

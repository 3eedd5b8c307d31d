#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/version.hpp"
#include "host/convert/edit.hpp"
#include "host/convert/id_files.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

using nlohmann::json;

namespace {

json to_json(const RowErrors& errors) {
  return {{"rows", errors.rows},
          {"error", errors.relative()},
          {"squared_error", errors.squared_error},
          {"squared_norm", errors.squared_norm}};
}

std::string table_names(const Artifact& artifact) {
  std::vector<std::string> names;
  for (const auto& [name, table] : artifact.model.tables) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Entry `field` of what convert recorded of a tier, or of all when `tier` is -1; below 0 where it
/// recorded nothing.
double recorded_error(const json& config, int tier) {
  const json found = config.is_object() ? config.value("convert", json()) : json();
  const json errors = found.is_object() ? found.value("errors", json()) : json();
  if (!errors.is_array() || errors.empty() || tier >= static_cast<int>(errors.size())) return -1.0;
  double error = 0.0, norm = 0.0;
  for (int t = 0; t < static_cast<int>(errors.size()); ++t) {
    if (tier >= 0 && t != tier) continue;
    const json& one = errors[static_cast<size_t>(t)];
    for (const char* key : {"squared_error", "squared_norm"})
      if (!one.is_object() || !one.contains(key) || !one[key].is_number()) return -1.0;
    error += one["squared_error"].get<double>();
    norm += one["squared_norm"].get<double>();
  }
  return norm > 0.0 ? error / norm : 0.0;
}

void append_ids(const std::string& file, const std::string& entity, OriginalIds& known,
                const OriginalIds& ids) {
  if (known.strings.empty() && !ids.strings.empty())
    input_error(file, ": ids of ", entity, " are integers, the new ones texts such as \"",
                ids.strings.front(), "\"");
  if (known.strings.empty()) {
    known.integers.insert(known.integers.end(), ids.integers.begin(), ids.integers.end());
  } else {
    known.strings.insert(known.strings.end(), ids.strings.begin(), ids.strings.end());
    for (const int64_t id : ids.integers) known.strings.push_back(std::to_string(id));
  }
  if (const std::string repeated = repeated_id(known); !repeated.empty())
    input_error(file, ": ", repeated, " would stand for two rows: give new ids to new rows");
}

void check_fits(const std::string& file, const Artifact& artifact, const std::string& name,
                const FloatTable& source) {
  const PackedTable& table = artifact.model.tables.at(name);
  if (source.dim() != table.dim)
    input_error(source.name(), " has ", source.dim(), " columns where table ", name, " of ", file,
                " has ", table.dim);
  if (!table.has_codes() && table.scheme != "full")
    input_error(file, ": table ", name, " is ", table.scheme,
                ": rows can be appended to tables of codes, or full ones");
  for (const auto& [other, form] : artifact.model.tables)
    if (other != name && entity_of(other) == entity_of(name))
      input_error(file, ": table ", other, " has a row for every ", entity_of(name), " too, as ",
                  name, ": rows can be appended where one table has them");
  if (table.rows > kMaxTableRows - source.rows())
    input_error(file, ": table ", name, " would have ", table.rows + source.rows(),
                " rows, over the limit of ", kMaxTableRows);
}

}  // namespace

Artifact table_artifact(const std::string& name, PackedTable table, OriginalIds ids,
                        const std::vector<RowErrors>& errors, json convert) {
  Artifact artifact;
  artifact.model.backbone = kTableBackbone;
  artifact.model.task = kLookupTask;
  artifact.model.tables[name] = std::move(table);
  artifact.ids[entity_of(name)] = std::move(ids);
  for (const RowErrors& error : errors) convert["errors"].push_back(to_json(error));
  artifact.config["convert"] = std::move(convert);
  artifact.commit = build_commit();
  return artifact;
}

std::string choose_table(const std::string& file, const Artifact& artifact,
                         const std::string& name) {
  const auto& tables = artifact.model.tables;
  if (name.empty() && tables.size() == 1) return tables.begin()->first;
  if (name.empty())
    input_error(file, " has the tables ", table_names(artifact), ": say which, --name");
  if (!tables.contains(name))
    input_error(file, " has no table \"", name, "\"; its tables are ", table_names(artifact));
  return name;
}

void add_edit(Artifact& artifact, const char* kind, json record) {
  if (!artifact.config.is_object()) artifact.config = json::object({{"recorded", artifact.config}});
  artifact.config[kEdits].push_back({{kind, std::move(record)}});
}

OriginalIds following_ids(const OriginalIds& known, int64_t rows) {
  if (!known.strings.empty())
    input_error("ids are texts such as \"", known.strings.front(),
                "\": give those of the new rows, --ids FILE");
  const int64_t greatest = *std::max_element(known.integers.begin(), known.integers.end());
  if (greatest > std::numeric_limits<int64_t>::max() - rows)
    input_error("no integers are left after id ", greatest, ": give ids, --ids FILE");
  OriginalIds ids;
  // std::iota would step past the last id, which may be the greatest there is.
  for (int64_t row = 1; row <= rows; ++row) ids.integers.push_back(greatest + row);
  return ids;
}

Appended append_rows(Backend& backend, const std::string& file, Artifact& artifact,
                     const std::string& name, const FloatTable& source, const OriginalIds& ids,
                     const WorkProgress& progress) {
  check_fits(file, artifact, name, source);
  const std::string entity = entity_of(name);
  MGQE_CHECK(ids.size() == source.rows(), ids.size(), " ids for ", source.rows(), " rows");
  append_ids(file, entity, artifact.ids.at(entity), ids);
  PackedTable& table = artifact.model.tables.at(name);
  const int tier = static_cast<int>(table.tiers.size()) - 1;
  const bool coded = table.has_codes();
  HostArray& stored = table.arrays.at(coded ? "codes." + std::to_string(tier) : "table");
  std::unique_ptr<RowEncoder> encoder;
  if (coded) encoder = std::make_unique<RowEncoder>(backend, table);
  const int64_t dim = table.dim, chunk = std::min(RowEncoder::max_rows(dim), source.rows());
  const auto row_bytes = static_cast<size_t>(coded ? encoder->row_bytes(tier)
                                                   : dim * static_cast<int64_t>(sizeof(float)));
  std::vector<int32_t> rows;
  std::vector<float> values(static_cast<size_t>(chunk * dim));
  Appended appended;
  for (int64_t first = 0; first < source.rows(); first += chunk) {
    rows.resize(static_cast<size_t>(std::min(chunk, source.rows() - first)));
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(first));
    const View<float> part(values.data(), static_cast<int64_t>(rows.size()), dim);
    source.gather(rows, part);
    const size_t end = stored.bytes.size();
    stored.bytes.resize(end + rows.size() * row_bytes);
    if (coded)
      appended.errors.add(encoder->encode(tier, part, stored.bytes.data() + end));
    else
      std::memcpy(stored.bytes.data() + end, part.data, rows.size() * row_bytes);
    progress("encoding", first + part.rows, source.rows());
  }
  stored.shape[0] += source.rows();
  table.rows += source.rows();
  if (coded) table.tiers.back().end = table.rows;
  appended.errors.rows = source.rows();
  if (coded) {
    appended.last_tier = recorded_error(artifact.config, tier);
    appended.all_tiers = recorded_error(artifact.config, -1);
  }
  json record = to_json(appended.errors);
  record["table"] = name;
  add_edit(artifact, "append", std::move(record));
  return appended;
}

}  // namespace mgqe

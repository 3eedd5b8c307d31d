#include "host/io/artifact.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;
using nlohmann::json;

std::string entity_of(const std::string& table_name) {
  return table_name.substr(table_name.rfind('.') + 1);  // npos + 1 = 0: the whole name
}

ArrayMap id_arrays(const std::map<std::string, OriginalIds>& ids) {
  ArrayMap arrays;
  for (const auto& [entity, original] : ids) {
    MGQE_CHECK(original.integers.empty() || original.strings.empty(), "ids of ", entity,
               " are integers and strings");
    if (original.strings.empty()) {
      arrays["ids." + entity] = HostArray(original.integers, {original.size()});
      continue;
    }
    std::vector<uint8_t> text;
    std::vector<int64_t> offsets = {0};
    for (const std::string& id : original.strings) {
      text.insert(text.end(), id.begin(), id.end());
      offsets.push_back(static_cast<int64_t>(text.size()));
    }
    arrays["ids." + entity + ".text"] = HostArray(text, {offsets.back()});
    arrays["ids." + entity + ".offsets"] = HostArray(offsets, {original.size() + 1});
  }
  return arrays;
}

// ---- writing ------------------------------------------------------------------------------------

namespace {

json describe_table(const PackedTable& table) {
  const PackedScheme& scheme = *find_scheme(table.scheme);
  json description = {{"scheme", table.scheme}, {"rows", table.rows}, {"dim", table.dim}};
  for (const PackedField& field : scheme.fields()) description[field.name] = table.*field.value;
  if (!scheme.has_codes()) return description;
  description["private_codebooks"] = table.private_codebooks;
  for (const PackedTier& tier : table.tiers)
    description["tiers"].push_back(
        {{"end", tier.end}, {"centroids", tier.centroids}, {"subspaces", tier.subspaces}});
  return description;
}

StringMap describe(const Artifact& artifact) {
  json tables;
  for (const auto& [name, table] : artifact.model.tables) tables[name] = describe_table(table);
  return {{"format", kArtifactFormat},
          {"version", std::to_string(kArtifactVersion)},
          {"backbone", artifact.model.backbone},
          {"task", artifact.model.task},
          {"tables", tables.dump()},
          {"config", artifact.config.dump(-1, ' ', false, json::error_handler_t::replace)},
          {"seed", std::to_string(artifact.seed)},
          {"best_epoch", std::to_string(artifact.best_epoch)},
          {"data_fingerprint", std::to_string(artifact.data_fingerprint)},
          {"commit", artifact.commit},
          {"device", artifact.device}};
}

}  // namespace

SizeReport write_artifact(const fs::path& path, const Artifact& artifact) {
  const std::string defect = artifact_defect(artifact);
  MGQE_CHECK(defect.empty(), "artifact for ", path.string(), ": ", defect);
  const ArrayMap ids = id_arrays(artifact.ids);
  ArrayRefs refs;
  const auto add = [&](const std::string& name, const HostArray& array) {
    const bool added = refs.emplace(name, &array).second;
    MGQE_CHECK(added, "two arrays named ", name);
  };
  for (const auto& [table_name, table] : artifact.model.tables)
    for (const auto& [name, array] : table.arrays) add(table_name + "." + name, array);
  for (const auto& [name, array] : artifact.model.dense) add(name, array);
  for (const auto& [name, array] : ids) add(name, array);
  const FileBytes bytes = write_safetensors(path, refs, describe(artifact));
  return size_report(artifact, bytes.header, bytes.file);
}

// ---- reading ------------------------------------------------------------------------------------

namespace {

/// Takes an artifact out of the arrays and metadata of a file, piece by piece; what no piece claims
/// belongs to the backbone.
class Unpacker {
 public:
  Unpacker(const std::string& name, SafetensorsFile file) : name_(name), file_(std::move(file)) {}

  Artifact unpack() {
    check_version();
    Artifact artifact;
    artifact.model.backbone = text("backbone");
    artifact.model.task = version_ == 1 ? "ranking" : text("task");
    artifact.config = json_of("config");
    artifact.seed = number<uint64_t>("seed");
    artifact.best_epoch = number<int>("best_epoch");
    artifact.data_fingerprint = number<uint64_t>("data_fingerprint");
    artifact.commit = text("commit");
    artifact.device = text("device");
    const json tables = json_of("tables");
    if (!tables.is_object()) refuse("metadata tables is not a JSON object");
    for (const auto& [name, description] : tables.items()) {
      artifact.model.tables[name] = take_table(name, description);
      const std::string entity = entity_of(name);
      if (!artifact.ids.contains(entity)) artifact.ids[entity] = take_ids("ids." + entity);
    }
    artifact.model.dense = std::move(file_.arrays);
    if (const std::string defect = artifact_defect(artifact); !defect.empty()) refuse(defect);
    return artifact;
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error(name_, ": not a valid mgqe artifact: ", parts...);
  }

  void check_version() {
    const auto format = file_.metadata.find("format");
    if (format == file_.metadata.end() || format->second != kArtifactFormat)
      refuse("its metadata does not say \"format\": \"", kArtifactFormat,
             "\"; give the model.safetensors of a training run");
    version_ = number<int>("version");
    if (version_ < 1 || version_ > kArtifactVersion)
      refuse("its version is ", version_, ", this program reads versions 1 to ", kArtifactVersion,
             version_ > kArtifactVersion ? ": it was written by a newer one" : "");
  }

  std::string text(const char* key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) refuse("metadata ", key, " is missing");
    return found->second;
  }

  template <class T>
  T number(const char* key) const {
    const std::string digits = text(key);
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size())
      refuse("metadata ", key, " is \"", digits, "\" where a whole number belongs");
    return value;
  }

  json json_of(const char* key) const {
    json value = json::parse(text(key), nullptr, false);
    if (value.is_discarded()) refuse("metadata ", key, " is not JSON");
    return value;
  }

  int64_t integer(const std::string& where, const json& object, const char* key) const {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer())
      refuse("table ", where, " lacks a whole number \"", key, "\"");
    return object[key].get<int64_t>();
  }

  int small_integer(const std::string& where, const json& object, const char* key) const {
    const int64_t value = integer(where, object, key);
    if (value < 0 || value > 1 << 20) refuse("table ", where, ": ", key, " ", value);
    return static_cast<int>(value);
  }

  PackedTable take_table(const std::string& name, const json& description) {
    PackedTable table;
    table.rows = integer(name, description, "rows");
    table.dim = integer(name, description, "dim");
    if (!description.contains("scheme") || !description["scheme"].is_string())
      refuse("table ", name, " has no scheme");
    table.scheme = description["scheme"];
    const PackedScheme* scheme = find_scheme(table.scheme);
    if (scheme == nullptr)
      refuse("table ", name, ": unknown scheme \"", table.scheme, "\"; known are ", scheme_names());
    for (const PackedField& field : scheme->fields())
      table.*field.value = integer(name, description, field.name);
    if (scheme->has_codes()) take_tiers(name, description, table);
    if (const std::string defect = shape_defect(table); !defect.empty())
      refuse("table ", name, ": ", defect);
    for (const ArraySpec& spec : scheme->expected_arrays(table))
      take_array(name + "." + spec.name, table.arrays[spec.name]);
    return table;
  }

  /// In version 1 a table had one number of subspaces, and one codebook.
  void take_tiers(const std::string& name, const json& description, PackedTable& table) const {
    const json list = description.value("tiers", json::array());
    if (!list.is_array() || list.empty() || list.size() > kMaxTiers)
      refuse("table ", name, " needs a list of 1 to ", kMaxTiers, " tiers");
    for (const json& tier : list)
      table.tiers.push_back({integer(name, tier, "end"), small_integer(name, tier, "centroids"),
                             small_integer(name, version_ == 1 ? description : tier, "subspaces")});
    if (version_ == 1) return;
    if (!description.contains("private_codebooks") ||
        !description["private_codebooks"].is_boolean())
      refuse("table ", name, " lacks a true or false \"private_codebooks\"");
    table.private_codebooks = description["private_codebooks"];
  }

  void take_array(const std::string& name, HostArray& array) {
    const auto found = file_.arrays.find(name);
    if (found == file_.arrays.end()) refuse("array ", name, " is missing");
    array = std::move(found->second);
    file_.arrays.erase(found);
  }

  OriginalIds take_ids(const std::string& name) {
    OriginalIds ids;
    HostArray values, offsets;
    const bool integers = file_.arrays.contains(name);
    take_array(integers ? name : name + ".offsets", integers ? values : offsets);
    if ((integers ? values : offsets).dtype != DType::kI64) refuse(name, " is not of type I64");
    if (integers) {
      const auto all = values.as<int64_t>();
      ids.integers.assign(all.begin(), all.end());
      return ids;
    }
    take_array(name + ".text", values);
    const auto ends = offsets.as<int64_t>();
    const auto bytes = static_cast<int64_t>(values.bytes.size());
    if (ends.empty() || ends.front() != 0 || ends.back() != bytes)
      refuse(name, ".offsets do not run from 0 to the ", bytes, " bytes of ", name, ".text");
    for (size_t i = 1; i < ends.size(); ++i) {
      if (ends[i] < ends[i - 1] || ends[i] > bytes) refuse(name, ".offsets are not ascending");
      ids.strings.emplace_back(values.bytes.begin() + ends[i - 1], values.bytes.begin() + ends[i]);
    }
    return ids;
  }

  std::string name_;
  SafetensorsFile file_;
  int version_ = 0;
};

}  // namespace

Artifact read_artifact(const Bytes& bytes, SizeReport* size) {
  SafetensorsFile file = read_safetensors(bytes);
  const int64_t header_bytes = file.header_bytes, file_bytes = file.file_bytes;
  Artifact artifact = Unpacker(bytes.name(), std::move(file)).unpack();
  if (size != nullptr) *size = size_report(artifact, header_bytes, file_bytes);
  return artifact;
}

Artifact read_artifact(const fs::path& path, SizeReport* size) {
  return read_artifact(Bytes::map(path), size);
}

}  // namespace mgqe

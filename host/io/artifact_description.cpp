#include "host/io/artifact_description.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/json_depth.hpp"
#include "host/config/choices.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

using nlohmann::json;

namespace {

constexpr int64_t kAnyLength = -1;

std::string describe(DType dtype, const std::vector<int64_t>& shape) {
  std::string text = fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", "));
  if (shape == std::vector{kAnyLength}) text = fmt::format("{} [bytes]", dtype_name(dtype));
  return text;
}

class Parser {
 public:
  Parser(const std::string& name, const SafetensorsHeader& header) : name_(name), header_(header) {}

  ArtifactDescription parse() {
    parse_version();
    result_.backbone = text("backbone");
    if (result_.backbone.empty()) refuse("the backbone has no name");
    parse_task();
    result_.config = json_of("config");
    result_.seed = number<uint64_t>("seed");
    result_.best_epoch = number<int>("best_epoch");
    result_.data_fingerprint = number<uint64_t>("data_fingerprint");
    result_.commit = text("commit");
    result_.device = text("device");
    const json tables = json_of("tables");
    if (!tables.is_object()) refuse("metadata tables is not a JSON object");
    if (tables.empty()) refuse("it has no embedding table");
    for (const auto& [table, description] : tables.items())
      result_.tables[table] = parse_table(table, description);
    parse_entities();
    parse_fields();
    for (const auto& [array, info] : header_.tensors)
      if (!claimed_.contains(array)) take_other(array, info);
    return std::move(result_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error(name_, ": not a valid mgqe artifact: ", parts...);
  }

  bool aligned_version() const { return result_.version >= 3; }

  void parse_version() {
    const auto format = header_.metadata.find("format");
    if (format == header_.metadata.end() || format->second != kArtifactFormat)
      refuse("its metadata does not say \"format\": \"", kArtifactFormat,
             "\"; give the model.safetensors of a training run");
    result_.version = number<int>("version");
    if (result_.version < 1 || result_.version > kArtifactVersion)
      refuse("its version is ", result_.version, ", this program reads versions 1 to ",
             kArtifactVersion,
             result_.version > kArtifactVersion ? ": it was written by a newer one" : "");
  }

  void parse_task() {
    result_.task = result_.version == 1 ? "ranking" : text("task");
    if (const std::string defect = task_defect(result_.task); !defect.empty()) refuse(defect);
  }

  std::string text(const char* key) const {
    const auto found = header_.metadata.find(key);
    if (found == header_.metadata.end()) refuse("metadata ", key, " is missing");
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
    const std::string written = text(key);
    if (nests_too_deep(written))
      refuse("metadata ", key, " nests deeper than ", kMaxJsonDepth, " levels");
    json value = json::parse(written, nullptr, false);
    if (value.is_discarded()) refuse("metadata ", key, " is not JSON");
    return value;
  }

  int64_t integer(const std::string& what, const json& object, const char* key) const {
    if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer())
      refuse(what, " lacks a whole number \"", key, "\"");
    return object[key].get<int64_t>();
  }

  bool boolean(const std::string& what, const json& object, const char* key) const {
    if (!object.contains(key) || !object[key].is_boolean())
      refuse(what, " lacks a true or false \"", key, "\"");
    return object[key].get<bool>();
  }

  int small_integer(const std::string& what, const json& object, const char* key) const {
    const int64_t value = integer(what, object, key);
    if (value < 0 || value > 1 << 20) refuse(what, ": ", key, " ", value);
    return static_cast<int>(value);
  }

  PackedTable parse_table(const std::string& name, const json& description) {
    const std::string what = "table " + name;
    PackedTable table;
    table.rows = integer(what, description, "rows");
    table.dim = integer(what, description, "dim");
    if (!description.contains("scheme") || !description["scheme"].is_string())
      refuse(what, " has no scheme");
    table.scheme = description["scheme"];
    const PackedScheme* scheme = find_scheme(table.scheme);
    if (scheme == nullptr)
      refuse(what, ": unknown scheme \"", table.scheme, "\"; known are ", scheme_names());
    for (const PackedField& field : scheme->fields())
      table.*field.value = integer(what, description, field.name);
    if (scheme->has_codes()) parse_tiers(what, description, table);
    if (scheme->has_blocks()) parse_blocks(what, description, table);
    if (const std::string defect = shape_defect(table); !defect.empty()) refuse(what, ": ", defect);
    for (const ArraySpec& spec : scheme->expected_arrays(table)) claim(name + ".", spec, what);
    return table;
  }

  void parse_blocks(const std::string& what, const json& description, PackedTable& table) const {
    const json list = description.value("blocks", json::array());
    if (!list.is_array() || list.empty() || list.size() > kMaxTiers)
      refuse(what, " needs a list of 1 to ", kMaxTiers, " blocks");
    for (const json& block : list)
      table.blocks.push_back({integer(what, block, "end"), integer(what, block, "width")});
  }

  /// In version 1 a table had one number of subspaces, and one codebook.
  void parse_tiers(const std::string& what, const json& description, PackedTable& table) const {
    const bool first = result_.version == 1;
    const json list = description.value("tiers", json::array());
    if (!list.is_array() || list.empty() || list.size() > kMaxTiers)
      refuse(what, " needs a list of 1 to ", kMaxTiers, " tiers");
    for (const json& tier : list)
      table.tiers.push_back({integer(what, tier, "end"), small_integer(what, tier, "centroids"),
                             small_integer(what, first ? description : tier, "subspaces")});
    if (first) return;
    table.private_codebooks = boolean(what, description, "private_codebooks");
    const json type = description.value("codebook_type", json("f32"));
    if (type != "f32" && type != "f16")
      refuse(what, " has codebooks of ", type.dump(), " where \"f32\" or \"f16\" belongs");
    table.codebook_type = type == "f16" ? DType::kF16 : DType::kF32;
    if (find_scheme(table.scheme)->may_rotate())
      table.rotated = boolean(what, description, "rotated");
  }

  /// The array must be there, as it is described; it is no longer the backbone's.
  void claim(const std::string& prefix, const ArraySpec& spec, const std::string& what) {
    const std::string name = prefix + spec.name;
    const auto found = header_.tensors.find(name);
    if (found == header_.tensors.end()) refuse("array ", name, " is missing");
    const TensorInfo& info = found->second;
    const bool any = spec.shape == std::vector{kAnyLength} && info.shape.size() == 1;
    if (info.dtype != spec.dtype || (info.shape != spec.shape && !any))
      refuse(what, ": array ", spec.name, " is ", describe(info.dtype, info.shape), " where ",
             describe(spec.dtype, spec.shape), " belongs");
    if (aligned_version()) check_place(name, info, kArtifactAlignment);
    if (!claimed_.insert(name).second) refuse("array ", name, " belongs to two at once");
  }

  void check_place(const std::string& name, const TensorInfo& info, int64_t alignment) const {
    const int64_t at = header_.header_bytes + info.begin;
    if (at % alignment != 0)
      refuse("array ", name, " starts at byte ", at, " where a multiple of ", alignment,
             " belongs");
  }

  void parse_entities() {
    const json stored = aligned_version() ? json_of("entities") : json();
    for (const auto& [table, form] : result_.tables) {
      const std::string entity = entity_of(table);
      auto found = result_.entities.find(entity);
      if (found == result_.entities.end()) {
        const EntityDescription ids =
            aligned_version() ? parse_entity(entity, stored) : find_ids(entity, form.rows);
        found = result_.entities.emplace(entity, ids).first;
      }
      if (form.rows != found->second.rows)
        refuse("table ", table, " has ", form.rows, " rows, but ", found->second.rows,
               " original ids");
    }
    for (const auto& [entity, ids] : result_.entities)
      for (const ArraySpec& spec : id_array_specs(entity, ids)) claim("", spec, "ids");
  }

  void parse_fields() {
    if (!header_.metadata.contains("fields")) return;
    result_.fields = json_of("fields");
    const json& fields = result_.fields;
    if (!fields.is_object() || !fields.contains("features") || !fields["features"].is_array() ||
        !fields.contains("dense") || !fields["dense"].is_array())
      refuse("metadata fields lacks a list \"features\" or \"dense\"");
    for (const json& name : fields["dense"])
      if (!name.is_string()) refuse("metadata fields: \"dense\" has what is no name");
    for (const json& feature : fields["features"]) check_feature(feature);
  }

  /// Each of its ids must have a row.
  void check_feature(const json& feature) const {
    for (const char* key : {"name", "table"})
      if (!feature.is_object() || !feature.contains(key) || !feature[key].is_string())
        refuse("metadata fields: a feature has no ", key);
    const std::string what = "feature " + feature["name"].get<std::string>();
    const auto table = result_.tables.find(feature["table"].get<std::string>());
    if (table == result_.tables.end()) refuse(what, " lies in a table that is not there");
    boolean(what, feature, "bag");
    const int64_t ids = integer(what, feature, "ids"), rows = table->second.rows;
    int64_t begin = 0;
    if (!feature.contains("runs") || !feature["runs"].is_array()) refuse(what, " has no runs");
    for (const json& run : feature["runs"]) {
      if (!run.is_array() || run.size() != 2 || !run[0].is_number_integer() ||
          !run[1].is_number_integer())
        refuse(what, " has a run that is not [end, shift]");
      const auto end = run[0].get<int64_t>(), shift = run[1].get<int64_t>();
      if (end < begin || end > ids) refuse(what, " has runs that do not follow each other");
      if (end > begin && (shift < -begin || shift > rows - end))
        refuse(what, " has ids whose rows are not in table ", table->first);
      begin = end;
    }
    if (begin != ids) refuse(what, " has ", ids, " ids, and rows for ", begin);
  }

  EntityDescription parse_entity(const std::string& entity, const json& stored) const {
    const std::string what = "entity " + entity;
    if (!stored.is_object() || !stored.contains(entity))
      refuse("metadata entities does not describe \"", entity, "\"");
    EntityDescription ids;
    ids.rows = integer(what, stored[entity], "rows");
    ids.ordered = true;
    const json kind = stored[entity].value("ids", json());
    for (const IdKind known : {IdKind::kRows, IdKind::kIntegers, IdKind::kText})
      if (ids.ids = known; kind == id_kind_name(known)) return ids;
    refuse(what, " has ids ", kind.dump(), R"( where "rows", "integers" or "text" belongs)");
  }

  /// Before version 3 only the arrays told what the ids are.
  EntityDescription find_ids(const std::string& entity, int64_t table_rows) const {
    const auto integers = header_.tensors.find("ids." + entity);
    const bool any = integers != header_.tensors.end();
    const auto found = any ? integers : header_.tensors.find("ids." + entity + ".offsets");
    EntityDescription ids{table_rows, any ? IdKind::kIntegers : IdKind::kText, false};
    if (found != header_.tensors.end() && found->second.shape.size() == 1)
      ids.rows = std::max<int64_t>(found->second.shape[0] - (any ? 0 : 1), 0);
    return ids;
  }

  void take_other(const std::string& array, const TensorInfo& info) {
    if (aligned_version() && is_pad(array)) {
      if (info.bytes() >= kArtifactAlignment)
        refuse("array ", array, " has ", info.bytes(), " bytes, more than alignment needs");
      return;
    }
    if (aligned_version()) check_place(array, info, dtype_bytes(info.dtype));
    result_.dense.push_back(array);
  }

  const std::string& name_;
  const SafetensorsHeader& header_;
  std::set<std::string> claimed_;  // arrays of tables and ids
  ArtifactDescription result_;
};

}  // namespace

std::string entity_of(const std::string& table_name) {
  return table_name.substr(table_name.rfind('.') + 1);  // npos + 1 = 0: the whole name
}

ArtifactDescription describe_artifact(const std::string& name, const SafetensorsHeader& header) {
  return Parser(name, header).parse();
}

std::string untrained_defect(const std::string& task, const json& config) {
  if (task == kLookupTask)
    return "it is a table that was converted, and no model: look its rows up, or ask for similar "
           "ones";
  if (config.is_object() && config.contains(kEdits))
    return "its rows were appended to or reordered since it was trained: give the artifact as "
           "training wrote it";
  return "";
}

std::string task_defect(const std::string& task) {
  std::vector<const char*> tasks(Choices<TaskKind>::names.begin(), Choices<TaskKind>::names.end());
  tasks.push_back(kLookupTask);
  if (std::find(tasks.begin(), tasks.end(), task) != tasks.end()) return "";
  return fmt::format("unknown task \"{}\": choose {}", task, alternatives(tasks));
}

std::vector<ArraySpec> id_array_specs(const std::string& entity, const EntityDescription& ids) {
  const std::string name = "ids." + entity;
  std::vector<ArraySpec> specs;
  if (ids.ids == IdKind::kIntegers) specs.push_back({name, DType::kI64, {ids.rows}});
  if (ids.ids == IdKind::kText) {
    specs.push_back({name + ".offsets", DType::kI64, {ids.rows + 1}});
    specs.push_back({name + ".text", DType::kU8, {kAnyLength}});
  }
  if (ids.ids != IdKind::kRows && ids.ordered)
    specs.push_back({name + ".order", DType::kI32, {ids.rows}});
  return specs;
}

IdColumn id_column(const std::string& entity, const EntityDescription& ids,
                   const std::function<ArrayView(const std::string&)>& array) {
  const std::string name = "ids." + entity;
  IdColumn column;
  column.kind = ids.ids;
  column.rows = ids.rows;
  if (ids.ids == IdKind::kIntegers) column.integers = array(name).as<int64_t>();
  if (ids.ids == IdKind::kText) {
    column.offsets = array(name + ".offsets").as<int64_t>();
    column.text = array(name + ".text").bytes;
  }
  if (ids.ids != IdKind::kRows && ids.ordered) column.order = array(name + ".order").as<int32_t>();
  return column;
}

SizeReport size_report(const ArtifactDescription& artifact, const SafetensorsHeader& header) {
  SizeReport report;
  std::map<std::string, int64_t*> counted;  // the sum that each array belongs to
  int64_t payload_bytes = 0;
  for (const auto& [name, table] : artifact.tables) {
    report.formula_bits += table.formula_bits();
    report.padding_bits += table.padding_bits();
    report.full_bits += table.full_bits();
    for (const ArraySpec& spec : expected_arrays(table))
      counted[name + "." + spec.name] = &payload_bytes;
  }
  for (const auto& [entity, ids] : artifact.entities)
    for (const ArraySpec& spec : id_array_specs(entity, ids)) counted[spec.name] = &report.id_bytes;
  for (const std::string& name : artifact.dense) counted[name] = &report.dense_bytes;
  for (const auto& [name, info] : header.tensors) {
    const auto found = counted.find(name);
    *(found == counted.end() ? &report.alignment_bytes : found->second) += info.bytes();
    if (found != counted.end()) report.parts.push_back({name, info.bytes()});
  }
  if (report.alignment_bytes > 0) report.parts.push_back({"alignment", report.alignment_bytes});
  report.parts.push_back({"header", header.header_bytes});
  report.header_bytes = header.header_bytes;
  report.file_bytes = header.file_bytes;
  report.payload_bits = 8 * payload_bytes;
  report.percent_of_full =
      100.0 * static_cast<double>(report.formula_bits) / static_cast<double>(report.full_bits);
  MGQE_CHECK(report.payload_bits == report.formula_bits + report.padding_bits, "payload ",
             report.payload_bits, " bits, formula ", report.formula_bits, ", padding ",
             report.padding_bits);
  const int64_t explained = payload_bytes + report.dense_bytes + report.id_bytes +
                            report.header_bytes + report.alignment_bytes;
  MGQE_CHECK(report.file_bytes == explained, "file ", report.file_bytes, " bytes, of which ",
             explained, " are explained");
  return report;
}

}  // namespace mgqe

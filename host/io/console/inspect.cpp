#include "host/io/console/inspect.hpp"

#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/io/artifact.hpp"
#include "host/io/console/table.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

std::string percent(int64_t part, int64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.2f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

bool is_artifact(const SafetensorsHeader& header) {
  const auto format = header.metadata.find("format");
  return format != header.metadata.end() && format->second == kArtifactFormat;
}

std::string shape_text(const TensorInfo& info) {
  return fmt::format("[{}]", fmt::join(info.shape, ", "));
}

struct Pads {
  int64_t count = 0, bytes = 0;
};

Pads pads_of(const SafetensorsHeader& header) {
  Pads pads;
  for (const auto& [name, info] : header.tensors)
    if (is_pad(name)) pads = {pads.count + 1, pads.bytes + info.bytes()};
  return pads;
}

/// Arrays in name order, then the pads between them and the header, with the share of each in the
/// file.
std::string part_table(const SafetensorsHeader& header) {
  std::vector<TableRow> rows;
  const auto add = [&](const std::string& name, const std::string& type, const std::string& shape,
                       int64_t bytes) {
    rows.push_back(
        {name, type, shape, grouped(bytes), grouped(8 * bytes), percent(bytes, header.file_bytes)});
  };
  for (const auto& [name, info] : header.tensors)
    if (!is_pad(name)) add(name, dtype_name(info.dtype), shape_text(info), info.bytes());
  if (const Pads pads = pads_of(header); pads.count > 0)
    add("(alignment)", dtype_name(DType::kU8), fmt::format("{} pads", pads.count), pads.bytes);
  add("(header)", "", "", header.header_bytes);
  rows.push_back(
      {"total", "", "", grouped(header.file_bytes), grouped(8 * header.file_bytes), "100.00%"});
  return format_table({"array", "type", "shape", "bytes", "bits", "share"}, rows,
                      {Align::kLeft, Align::kLeft, Align::kLeft});
}

/// "rank=16", or "342 rows D=32 K=256 (8 bits), ...".
std::string layout_text(const PackedTable& table) {
  std::vector<std::string> parts;
  for (const PackedField& field : find_scheme(table.scheme)->fields())
    parts.push_back(fmt::format("{}={}", field.name, grouped(table.*field.value)));
  for (size_t i = 0; i < table.blocks.size(); ++i)
    parts.push_back(
        fmt::format("{} rows of {}", grouped(table.block_rows(i)), table.blocks[i].width));
  for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i) {
    const PackedTier& tier = table.tiers[i];
    parts.push_back(fmt::format("{} rows D={} K={} ({} bits)", grouped(table.tier_rows(i)),
                                tier.subspaces, tier.centroids, code_bits(tier.centroids)));
  }
  if (table.private_codebooks) parts.push_back("a codebook a tier");
  if (table.codebook_type == DType::kF16) parts.push_back("centroids of 16 bits");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string scheme_table(const PackedModel& model) {
  std::vector<TableRow> rows;
  for (const auto& [name, table] : model.tables)
    rows.push_back({name, table.scheme, grouped(table.rows), std::to_string(table.dim),
                    grouped(table.formula_bits()), percent(table.formula_bits(), table.full_bits()),
                    layout_text(table)});
  return format_table({"table", "scheme", "rows", "d", "formula bits", "% of full", "layout"}, rows,
                      {Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight,
                       Align::kRight, Align::kLeft});
}

std::string size_table(const SizeReport& size) {
  const auto row = [&](const char* name, int64_t bits, const std::string& note) {
    return TableRow{name, grouped(bits), percent(bits, size.full_bits), note};
  };
  return format_table(
      {"size", "bits", "% of full", "what it counts"},
      {row("formula", size.formula_bits, "embedding tables, by the formula of their scheme"),
       row("payload", size.payload_bits,
           fmt::format("the same, as packed: {} bits of padding", grouped(size.padding_bits))),
       row("file", 8 * size.file_bytes,
           fmt::format("payload, {} B of backbone weights, {} B of ids, {} B of header, {} B of "
                       "alignment",
                       grouped(size.dense_bytes), grouped(size.id_bytes),
                       grouped(size.header_bytes), grouped(size.alignment_bytes))),
       row("full", size.full_bits, "the embedding tables unquantized")},
      {Align::kLeft, Align::kRight, Align::kRight, Align::kLeft});
}

const char* order_text(const EntityDescription& ids) {
  if (ids.ids == IdKind::kRows) return "none: the id is the row";
  return ids.ordered ? "stored: id to row is a binary search" : "none: readers sort the ids";
}

std::string entity_table(const ArtifactDescription& artifact) {
  std::vector<TableRow> rows;
  for (const auto& [entity, ids] : artifact.entities)
    rows.push_back({entity, grouped(ids.rows), id_kind_name(ids.ids), order_text(ids)});
  return format_table({"entity", "rows", "ids", "order"}, rows,
                      {Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft});
}

/// "0–341 in rows 12–353, 342–999 in rows 4,011–4,668": where the ids of a feature lie.
std::string runs_text(const nlohmann::json& feature) {
  std::vector<std::string> runs;
  int64_t begin = 0;
  for (const nlohmann::json& run : feature["runs"]) {
    const auto end = run[0].get<int64_t>(), shift = run[1].get<int64_t>();
    if (end > begin)
      runs.push_back(fmt::format("{}–{} in rows {}–{}", grouped(begin), grouped(end - 1),
                                 grouped(begin + shift), grouped(end - 1 + shift)));
    begin = end;
  }
  return fmt::format("{}", fmt::join(runs, ", "));
}

/// Of a model of many features; else empty.
std::string field_table(const nlohmann::json& fields) {
  if (fields.is_null()) return "";
  std::vector<TableRow> rows;
  for (const nlohmann::json& feature : fields["features"])
    rows.push_back({feature["name"].get<std::string>(),
                    feature["bag"].get<bool>() ? "several" : "one",
                    feature["table"].get<std::string>(), grouped(feature["ids"].get<int64_t>()),
                    runs_text(feature)});
  for (const nlohmann::json& name : fields["dense"])
    rows.push_back({name.get<std::string>(), "a number", "-", "-", ""});
  return format_table({"feature", "a row has", "table", "ids", "where they lie"}, rows,
                      {Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft}) +
         "\n";
}

/// What the version says of where arrays lie.
std::string alignment_text(const ArtifactDescription& artifact, const SafetensorsHeader& header) {
  if (artifact.version < 3) return "arrays start on their element size";
  const Pads pads = pads_of(header);
  return fmt::format("arrays of tables and ids start on {} bytes: {} pads of {} B between them",
                     kArtifactAlignment, pads.count, pads.bytes);
}

/// One line a section: "train  batch=256 epochs=20 ...".
std::string config_text(const nlohmann::json& config) {
  std::vector<TableRow> rows;
  for (const auto& [section, fields] : config.items()) {
    std::vector<std::string> values;
    if (fields.is_object()) {
      for (const auto& [key, value] : fields.items())
        values.push_back(key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
    } else {
      values.push_back(fields.dump());
    }
    rows.push_back({section, fmt::format("{}", fmt::join(values, " "))});
  }
  return format_table({"config", "values"}, rows, {Align::kLeft, Align::kLeft});
}

std::string inspect_artifact(const Bytes& file, const SafetensorsHeader& header) {
  SizeReport size;
  const Artifact artifact = read_artifact(file, &size);
  const ArtifactDescription description = describe_artifact(file.name(), header);
  return fmt::format(
      "{}: {} version {}, {}\n"
      "backbone {}, task {}, best epoch {}, seed {}, device {}, commit {}, data fingerprint "
      "{:016x}\n\n"
      "{}\n{}{}\n{}\n{}\n{}",
      file.name(), kArtifactFormat, description.version, alignment_text(description, header),
      artifact.model.backbone, artifact.model.task, artifact.best_epoch, artifact.seed,
      artifact.device, artifact.commit, artifact.data_fingerprint, scheme_table(artifact.model),
      field_table(artifact.fields), entity_table(description), size_table(size), part_table(header),
      config_text(artifact.config));
}

std::string inspect_plain(const Bytes& file, const SafetensorsHeader& header) {
  constexpr size_t kLongestValue = 100;
  std::string text =
      fmt::format("{}: {} arrays\n\n{}", file.name(), header.tensors.size(), part_table(header));
  if (header.metadata.empty()) return text;
  std::vector<TableRow> rows;
  for (const auto& [key, value] : header.metadata)
    rows.push_back(
        {key, value.size() <= kLongestValue ? value : value.substr(0, kLongestValue) + "..."});
  return text + '\n' + format_table({"metadata", "value"}, rows, {Align::kLeft, Align::kLeft});
}

ordered_json describe_arrays(const SafetensorsHeader& header) {
  ordered_json arrays = ordered_json::array();
  for (const auto& [name, info] : header.tensors)
    arrays.push_back({{"name", name},
                      {"dtype", dtype_name(info.dtype)},
                      {"shape", info.shape},
                      {"bytes", info.bytes()}});
  return arrays;
}

ordered_json describe_table(const PackedTable& table) {
  ordered_json json = {{"scheme", table.scheme},
                       {"rows", table.rows},
                       {"dim", table.dim},
                       {"formula_bits", table.formula_bits()},
                       {"payload_bits", table.payload_bits()},
                       {"full_bits", table.full_bits()}};
  for (const PackedField& field : find_scheme(table.scheme)->fields())
    json[field.name] = table.*field.value;
  for (size_t i = 0; i < table.blocks.size(); ++i)
    json["blocks"].push_back({{"rows", table.block_rows(i)}, {"width", table.blocks[i].width}});
  if (!table.has_codes()) return json;
  json["private_codebooks"] = table.private_codebooks;
  if (find_scheme(table.scheme)->may_rotate()) json["rotated"] = table.rotated;
  for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i)
    json["tiers"].push_back({{"rows", table.tier_rows(i)},
                             {"subspaces", table.tiers[i].subspaces},
                             {"centroids", table.tiers[i].centroids},
                             {"bits_per_code", code_bits(table.tiers[i].centroids)}});
  return json;
}

}  // namespace

std::string inspect(const fs::path& path) {
  const Bytes file = Bytes::map(path);
  const SafetensorsHeader header = read_safetensors_header(file);
  return is_artifact(header) ? inspect_artifact(file, header) : inspect_plain(file, header);
}

ordered_json inspect_json(const fs::path& path) {
  const Bytes file = Bytes::map(path);
  const SafetensorsHeader header = read_safetensors_header(file);
  ordered_json json = {{"file", file.name()}, {"format", nullptr}};
  if (const auto format = header.metadata.find("format"); format != header.metadata.end())
    json["format"] = format->second;
  if (is_artifact(header)) {
    SizeReport size;
    const Artifact artifact = read_artifact(file, &size);
    const ArtifactDescription description = describe_artifact(file.name(), header);
    json["version"] = description.version;
    json["alignment"] = description.version < 3 ? 1 : kArtifactAlignment;
    json["backbone"] = artifact.model.backbone;
    json["task"] = artifact.model.task;
    json["best_epoch"] = artifact.best_epoch;
    json["seed"] = artifact.seed;
    json["device"] = artifact.device;
    json["commit"] = artifact.commit;
    json["data_fingerprint"] = artifact.data_fingerprint;
    for (const auto& [name, table] : artifact.model.tables)
      json["tables"][name] = describe_table(table);
    for (const auto& [entity, ids] : description.entities)
      json["entities"][entity] = {
          {"rows", ids.rows}, {"ids", id_kind_name(ids.ids)}, {"ordered", ids.ordered}};
    if (!artifact.fields.is_null()) json["fields"] = artifact.fields;
    json["size"] = to_json(size);
    json["config"] = artifact.config;
  } else {
    json["metadata"] = header.metadata;
    json["header_bytes"] = header.header_bytes;
    json["file_bytes"] = header.file_bytes;
  }
  json["arrays"] = describe_arrays(header);
  return json;
}

}  // namespace mgqe

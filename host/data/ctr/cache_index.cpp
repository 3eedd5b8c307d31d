#include "host/data/ctr/cache_index.hpp"

#include <charconv>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/data/hasher.hpp"
#include "host/data/text/byte_table.hpp"

namespace mgqe {

using nlohmann::ordered_json;

namespace {

std::string hex(uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

uint64_t from_hex(const std::string& digits) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  MGQE_CHECK(error == std::errc{} && end == digits.data() + digits.size(), digits, " is no hash");
  return value;
}

ordered_json splits_json(const int64_t (&values)[kCtrSplits]) {
  return {values[0], values[1], values[2]};
}

void read_splits(const ordered_json& json, int64_t (&values)[kCtrSplits]) {
  for (int s = 0; s < kCtrSplits; ++s) values[s] = json.at(static_cast<size_t>(s)).get<int64_t>();
}

ordered_json section_json(const CacheSection& section) {
  return {section.offset, section.bytes, section.crc};
}

CacheSection section_of(const ordered_json& json) {
  return {json.at(0).get<int64_t>(), json.at(1).get<int64_t>(), json.at(2).get<uint32_t>()};
}

/// Calls visit(name, section) on every section of a field.
template <class Field, class Visit>
void each_section(Field& field, const Visit& visit) {
  visit("texts", field.texts);
  visit("ends", field.ends);
  visit("counts", field.counts);
  visit("ids", field.ids);
  visit("bounds", field.bounds);
}

ordered_json field_json(const CachedField& field) {
  ordered_json json = to_json(field.spec);
  if (field.spec.kind == FieldKind::kDense && field.spec.standard) {
    json["center"] = field.center;
    json["scale"] = field.scale;
  }
  if (field.rows == 0) return json;
  json["rows"] = field.rows;
  json["oov"] = field.oov;
  json["width"] = field.width;
  json["values"] = splits_json(field.values);
  json["oov_values"] = splits_json(field.oov_values);
  json["trained_values"] = field.trained_values;
  json["top_values"] = field.top_values;
  if (field.spec.kind == FieldKind::kBag) json["longest"] = field.longest;
  each_section(field, [&](const char* name, const CacheSection& section) {
    if (section.bytes > 0) json["sections"][name] = section_json(section);
  });
  return json;
}

CachedField field_of(const ordered_json& json) {
  CachedField field;
  field.spec = field_spec_from_json(json);
  if (!json.contains("rows")) {
    MGQE_CHECK(!field.spec.has_ids(), "field ", field.spec.name, " has no rows");
    field.center = json.value("center", 0.0);
    field.scale = json.value("scale", 1.0);
    MGQE_CHECK(field.scale > 0.0, "field ", field.spec.name, " has a scale of ", field.scale);
    return field;
  }
  field.rows = json.at("rows").get<int64_t>();
  field.oov = json.at("oov").get<int64_t>();
  field.width = json.at("width").get<int>();
  MGQE_CHECK(field.rows > 0 && field.rows <= ByteTable::kMaxSize && field.oov >= -1 &&
                 field.oov < field.rows,
             "field ", field.spec.name, " has ", field.rows, " rows");
  MGQE_CHECK(field.width == 1 || field.width == 2 || field.width == 4, "ids of ", field.width,
             " bytes");
  read_splits(json.at("values"), field.values);
  read_splits(json.at("oov_values"), field.oov_values);
  field.trained_values = json.at("trained_values").get<int64_t>();
  field.top_values = json.at("top_values").get<int64_t>();
  field.longest = json.value("longest", int64_t{0});
  each_section(field, [&](const char* name, CacheSection& section) {
    if (json.at("sections").contains(name)) section = section_of(json["sections"][name]);
  });
  return field;
}

}  // namespace

uint64_t cache_fingerprint(const std::vector<CachedSource>& sources, const std::string& options) {
  Hasher hasher;
  for (const CachedSource& source : sources) {
    hasher.add(static_cast<uint64_t>(source.split));
    hasher.add(source.hash);
  }
  hasher.add(options);
  return hasher.value();
}

ordered_json to_json(const CacheIndex& index) {
  ordered_json json = {{"version", kCacheVersion},
                       {"fingerprint", hex(index.fingerprint)},
                       {"commit", index.commit},
                       {"rows", splits_json(index.rows)},
                       {"positives", splits_json(index.positives)},
                       {"unlabeled", index.unlabeled},
                       {"block_rows", index.block_rows},
                       {"blocks", section_json(index.blocks)},
                       {"sources", ordered_json::array()},
                       {"options", index.options},
                       {"fields", ordered_json::array()}};
  if (index.vocabulary != 0) json["vocabulary"] = hex(index.vocabulary);
  for (const CachedSource& source : index.sources)
    json["sources"].push_back({{"file", source.file},
                               {"split", static_cast<int>(source.split)},
                               {"bytes", source.bytes},
                               {"hash", hex(source.hash)}});
  for (const CachedField& field : index.fields) json["fields"].push_back(field_json(field));
  return json;
}

CacheIndex cache_index_from_json(const ordered_json& json) {
  CacheIndex index;
  index.fingerprint = from_hex(json.at("fingerprint").get<std::string>());
  if (json.contains("vocabulary"))
    index.vocabulary = from_hex(json.at("vocabulary").get<std::string>());
  index.commit = json.at("commit").get<std::string>();
  read_splits(json.at("rows"), index.rows);
  read_splits(json.at("positives"), index.positives);
  index.unlabeled = json.at("unlabeled").get<int64_t>();
  index.block_rows = json.at("block_rows").get<int64_t>();
  MGQE_CHECK(index.block_rows > 0, "blocks of ", index.block_rows, " rows");
  index.blocks = section_of(json.at("blocks"));
  for (const ordered_json& source : json.at("sources")) {
    const int split = source.at("split").get<int>();
    MGQE_CHECK(split >= 0 && split < kCtrSplits, "split ", split);
    index.sources.push_back({source.at("file").get<std::string>(), static_cast<CtrSplit>(split),
                             source.at("bytes").get<int64_t>(),
                             from_hex(source.at("hash").get<std::string>())});
  }
  index.options = json.at("options").get<std::string>();
  for (const ordered_json& field : json.at("fields")) index.fields.push_back(field_of(field));
  return index;
}

}  // namespace mgqe

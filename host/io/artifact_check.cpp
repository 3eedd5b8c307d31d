// Whether the pieces of an artifact fit each other; said in words, because a file may be anything.
#include <set>

#include <fmt/format.h>

#include "host/io/artifact.hpp"
#include "host/io/safetensors.hpp"

namespace mgqe {

namespace {

constexpr int64_t kMaxRows = 2'147'483'647;
constexpr int64_t kMaxDim = 1 << 20;

std::string describe(DType dtype, const std::vector<int64_t>& shape) {
  return fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", "));
}

struct ArraySpec {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};

std::vector<ArraySpec> expected_arrays(const PackedTable& table) {
  if (table.scheme == "full") return {{"table", DType::kF32, {table.rows, table.dim}}};
  std::vector<ArraySpec> specs = {{"codebook", DType::kF32, {table.tiers.centroids[0], table.dim}}};
  for (int i = 0; i < table.tiers.count; ++i) {
    const int64_t row_bytes =
        packed_row_bytes(table.subspaces, code_bits(table.tiers.centroids[i]));
    specs.push_back({fmt::format("codes.{}", i), DType::kU8, {table.tiers.rows(i), row_bytes}});
  }
  return specs;
}

std::string tiers_defect(const PackedTable& table) {
  const Tiers& tiers = table.tiers;
  if (table.subspaces < 1 || table.dim % table.subspaces != 0)
    return fmt::format("{} subspaces do not divide dimension {}", table.subspaces, table.dim);
  if (tiers.count < 1 || tiers.count > kMaxTiers)
    return fmt::format("{} tiers where 1 to {} belong", tiers.count, kMaxTiers);
  for (int i = 0; i < tiers.count; ++i) {
    const int limit = i == 0 ? kMaxCentroids : tiers.centroids[i - 1];
    if (tiers.centroids[i] < 1 || tiers.centroids[i] > limit)
      return fmt::format("tier {} has {} centroids where 1 to {} belong", i, tiers.centroids[i],
                         limit);
    if (tiers.end[i] < tiers.begin(i))
      return fmt::format("tier {} ends at row {}, before it begins", i, tiers.end[i]);
  }
  if (tiers.end[tiers.count - 1] != table.rows)
    return fmt::format("tiers end at row {} of {}", tiers.end[tiers.count - 1], table.rows);
  return "";
}

/// A code of K = 200 has eight bits, and so room for codes that are no centroids: look at them all.
std::string codes_defect(const PackedTable& table) {
  for (int i = 0; i < table.tiers.count; ++i) {
    const int centroids = table.tiers.centroids[i];
    const int bits = code_bits(centroids);
    if (centroids == 1 << bits) continue;
    const int64_t row_bytes = packed_row_bytes(table.subspaces, bits);
    const uint8_t* row = table.arrays.at(fmt::format("codes.{}", i)).bytes.data();
    for (int64_t r = table.tiers.begin(i); r < table.tiers.end[i]; ++r, row += row_bytes)
      for (int j = 0; j < table.subspaces; ++j)
        if (const int code = unpack_code(row, j, bits); code >= centroids)
          return fmt::format("row {} has code {} where codes are below {}", r, code, centroids);
  }
  return "";
}

std::string table_defect(const PackedTable& table) {
  if (table.scheme != "full" && table.scheme != "mgqe")
    return fmt::format("unknown scheme \"{}\"; full and mgqe are known", table.scheme);
  if (table.rows < 1 || table.rows > kMaxRows || table.dim < 1 || table.dim > kMaxDim)
    return fmt::format("shape ({}, {}) is out of range", table.rows, table.dim);
  if (table.scheme == "mgqe")
    if (std::string defect = tiers_defect(table); !defect.empty()) return defect;
  const std::vector<ArraySpec> specs = expected_arrays(table);
  for (const auto& [name, dtype, shape] : specs) {
    const auto found = table.arrays.find(name);
    if (found == table.arrays.end()) return fmt::format("array {} is missing", name);
    if (found->second.dtype != dtype || found->second.shape != shape)
      return fmt::format("array {} is {} where {} belongs", name,
                         describe(found->second.dtype, found->second.shape),
                         describe(dtype, shape));
  }
  if (table.arrays.size() != specs.size()) return "it has arrays its scheme does not know";
  return table.scheme == "mgqe" ? codes_defect(table) : "";
}

}  // namespace

std::string artifact_defect(const Artifact& artifact) {
  const auto& [backbone, tables, dense] = artifact.model;
  if (backbone.empty()) return "the backbone has no name";
  if (tables.empty()) return "it has no embedding table";
  std::set<std::string> entities;
  for (const auto& [name, table] : tables) {
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
  for (const auto& [entity, ids] : artifact.ids)
    if (!entities.contains(entity)) return fmt::format("ids of \"{}\" belong to no table", entity);
  return "";
}

}  // namespace mgqe

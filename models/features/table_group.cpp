#include "models/features/table_group.hpp"

#include "host/config/choices.hpp"

namespace mgqe {
namespace {

/// Numbers that a name stands for (FNV-1a), so that a table starts alike whatever others there are.
uint64_t number_of(const std::string& name) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return hash;
}

uint64_t key_of(const Config& config, const TableSpec& table, RandomStream stream) {
  const uint64_t key = stream_key(config.run.seed, stream);
  return table.one_of_many ? random_u64(key, number_of(table.name)) : key;
}

}  // namespace

TableGroup table_group(const Config& config, Entity entity, int64_t rows) {
  return {name_of(entity), side_config(config.embedding, entity), rows,
          find_backbone(config.model.name).lookups(config, 1), tables_of(config, entity)};
}

TableGroup table_group(const Config& config, const FeatureGroup& group) {
  return {group.table(),
          group.embedding(),
          group.rows(),
          find_backbone(config.model.name).lookups(config, 1) * group.most_lookups(),
          {{group.table(), Entity::kItem, group.embedding().dim, "--dim",
            RandomStream::kFeatureTable, RandomStream::kFeatureCodebook, true}}};
}

std::vector<TableGroup> table_groups(const Config& config, const Catalogue& catalogue) {
  std::vector<TableGroup> groups;
  if (catalogue.layout != nullptr)
    for (const FeatureGroup& group : catalogue.layout->groups)
      groups.push_back(table_group(config, group));
  for (const Entity entity : {Entity::kUser, Entity::kItem}) {
    TableGroup group =
        table_group(config, entity, entity == Entity::kUser ? catalogue.users : catalogue.items);
    if (!group.tables.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<EmbeddingSpec> embedding_specs(const Config& config, const TableGroup& group,
                                           int64_t max_lookups) {
  std::vector<EmbeddingSpec> specs;
  for (const TableSpec& table : group.tables) {
    specs.push_back({table.name, group.rows, max_lookups, group.embedding,
                     optimizer_options(config.train), key_of(config, table, table.rows),
                     key_of(config, table, table.codebook)});
    specs.back().config.dim = table.dim;
  }
  return specs;
}

}  // namespace mgqe

// TableGroup: tables that are looked up by the same ids, and what is known of them before they are
// made: those of users, those of items, or the one that features of rows share. Models, plans of
// memory, warm starts and budgets go over the groups of a run, whatever its task.
#pragma once

#include <string>
#include <vector>

#include "models/backbones/model.hpp"

namespace mgqe {

struct TableGroup {
  std::string name;               // "user", "item", "fields"
  EmbeddingConfig embedding;      // of its tables, but their dimensions
  int64_t rows;                   // n
  int64_t lookups;                // of an example of a batch, at most
  std::vector<TableSpec> tables;  // in the backbone's order, one at least
};

/// Every table of the run: of users and of items, or by the layout of its features.
std::vector<TableGroup> table_groups(const Config& config, const Catalogue& catalogue);
/// That of an entity of so many rows; without tables where the backbone has none of it.
TableGroup table_group(const Config& config, Entity entity, int64_t rows);
TableGroup table_group(const Config& config, const FeatureGroup& group);

/// What make_embedding needs of each of its tables. max_lookups: of a batch.
std::vector<EmbeddingSpec> embedding_specs(const Config& config, const TableGroup& group,
                                           int64_t max_lookups);

}  // namespace mgqe

#include "models/features/evaluation_plan.hpp"

#include <algorithm>

#include "host/config/choices.hpp"
#include "models/embeddings/code_packer.hpp"
#include "models/embeddings/scheme.hpp"
#include "models/features/table_group.hpp"
#include "models/scorers/ctr_scorer.hpp"
#include "models/scorers/item_scan.hpp"
#include "models/scorers/relevance_scorer.hpp"

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);

}  // namespace

bool TablePlan::sharded() const { return shards_rows(ranks, config, rows); }

bool TablePlan::coded() const { return traits_of_scheme(embedding.scheme).quantized; }

int TablePlan::subspaces(int tier) const {
  const std::vector<int> all = embedding.subspaces;
  return all.size() == 1 ? all[0] : all[static_cast<size_t>(tier)];
}

int64_t TablePlan::payload() const {
  const EmbeddingScheme& known = find_embedding_scheme(embedding.scheme);
  const int64_t dense =
      known.dense_floats != nullptr ? known.dense_floats(embedding, dim) * kFloat : 0;
  if (coded() || known.packed_bytes != nullptr) return packed() + dense;
  int64_t bytes = dense;
  for (const StoredTable& table : stored_tables(embedding, local_rows(), dim))
    bytes += table.rows * table.width * kFloat;
  return bytes;
}

int64_t TablePlan::packed() const {
  const EmbeddingScheme& known = find_embedding_scheme(embedding.scheme);
  if (known.packed_bytes != nullptr) return known.packed_bytes(embedding, local_rows(), dim);
  if (!coded()) return 0;
  const Tiers tiers = make_tiers(embedding, rows);
  const Tiers here = sharding().local(tiers);
  int64_t bytes = 0;
  for (int t = 0; t < tiers.count; ++t)
    bytes += here.rows(t) * packed_row_bytes(subspaces(t), code_bits(tiers.centroids[t]));
  return bytes;
}

int64_t TablePlan::pack_scratch() const {
  if (!coded()) return 0;
  const Tiers here = sharding().local(make_tiers(embedding, rows));
  int64_t most = 0;
  for (int t = 0; t < here.count; ++t)
    most = std::max(most, std::min(here.rows(t), kPackChunk) * (subspaces(t) + (dim + 1) * kFloat));
  return most;
}

int64_t TablePlan::pack_room() const {
  if (!coded() || config.train.row_type == RowType::kF32) return 0;
  const Tiers here = sharding().local(make_tiers(embedding, rows));
  int64_t most = 0;
  for (int t = 0; t < here.count; ++t) most = std::max(most, here.rows(t));
  return std::min(most, kPackChunk) * dim * kFloat;
}

int64_t TablePlan::reader(int64_t range, int64_t ids, bool decodes, bool uploaded) const {
  const EmbeddingScheme& known = find_embedding_scheme(embedding.scheme);
  const int64_t most = std::max(range, ids);
  const bool looked_up = !coded() && known.packed_bytes == nullptr && known.stored == nullptr;
  const bool stored = looked_up && (uploaded || config.train.row_type == RowType::kF32);
  const int64_t scratch = known.decode_bytes != nullptr ? known.decode_bytes(embedding, dim) : 0;
  return (decodes && !stored ? range * dim * kFloat : 0) + most * scratch +
         (sharded() ? ids * kId : 0);
}

std::vector<TablePlan> ScorerPlan::tables() const {
  std::vector<TablePlan> all;
  for (const TableGroup& group : table_groups(config, catalogue))
    for (const TableSpec& table : group.tables)
      all.push_back({config, ranks, table.entity, group.embedding, group.rows, table.dim});
  return all;
}

int64_t ScorerPlan::chunk_items(int64_t size) const {
  const std::vector<TablePlan> all = tables();
  const bool together =
      std::any_of(all.begin(), all.end(), [](const TablePlan& table) { return table.sharded(); });
  const TablePlan& items = all.back();
  const int64_t rows =
      items.sharded() || !together ? items.local_rows() : (catalogue.items + ranks - 1) / ranks;
  return std::clamp<int64_t>(rows, 1, size);
}

int64_t ScorerPlan::scan_readers(int64_t users, int64_t items) const {
  int64_t bytes = 0;
  for (const TablePlan& table : tables())
    bytes += table.entity == Entity::kUser
                 ? table.reader(0, users, false, uploaded)
                 : table.reader(chunk_items(kItemChunk), items, true, uploaded);
  return bytes;
}

int64_t ScorerPlan::relevance_scorer() const {
  const int64_t pairs = RelevanceScorer::kChunk;
  int64_t bytes = catalogue.items * kFloat + 4 * pairs * kId + pairs * kFloat;
  for (const TablePlan& table : tables())
    bytes += table.reader(0, 2 * pairs, false, uploaded) + 2 * pairs * table.dim * kFloat;
  return bytes;
}

int64_t ScorerPlan::ctr_scorer() const {
  constexpr int64_t kRows = CtrTableScorer::kMaxRows;
  const FeatureLayout& layout = *catalogue.layout;
  int64_t bytes = kRows * layout.features * config.embedding.dim * kFloat, most = 0, lookups = 0;
  for (const FeatureGroup& group : layout.groups) {
    most = std::max(most, group.most_lookups());
    lookups += group.most_lookups();
  }
  if (layout.groups.size() > 1 || lookups > layout.features)
    bytes += kRows * most * config.embedding.dim * kFloat;
  const std::vector<TablePlan> all = tables();
  for (size_t g = 0; g < all.size(); ++g)
    bytes += all[g].reader(0, kRows * layout.groups[g].most_lookups(), false, uploaded);
  return bytes + kRows * (lookups * kId + (layout.dense + 2) * kFloat);
}

namespace {

int64_t scorer_bytes(const ScorerPlan& plan) {
  const Backbone& backbone = find_backbone(plan.config.model.name);
  if (plan.catalogue.layout != nullptr) return plan.ctr_scorer();
  return plan.config.model.task == TaskKind::kRelevance ? backbone.pair_scorer_bytes(plan)
                                                        : backbone.ranker_bytes(plan);
}

}  // namespace

EvaluationPlan evaluation_of_file(int ranks, const Config& config, const Catalogue& catalogue) {
  const ScorerPlan plan{config, ranks, catalogue, true};
  int64_t payload = 0;
  for (const TablePlan& table : plan.tables()) payload += table.payload();
  return {payload, scorer_bytes(plan)};
}

int64_t evaluation_bytes(int ranks, const Config& config, const Catalogue& catalogue) {
  const ScorerPlan plan{config, ranks, catalogue, false};
  int64_t packed = 0, scratch = 0, room = 0;
  for (const TablePlan& table : plan.tables()) {
    packed += table.packed();
    scratch = std::max(scratch, table.pack_scratch());
    room += table.pack_room();
  }
  const EvaluationPlan of_file = evaluation_of_file(ranks, config, catalogue);
  return room +
         std::max(packed + std::max(scratch, scorer_bytes(plan)), of_file.tables + of_file.scorer);
}

}  // namespace mgqe

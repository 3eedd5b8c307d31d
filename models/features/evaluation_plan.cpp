#include "models/features/evaluation_plan.hpp"

#include <algorithm>

#include "host/config/choices.hpp"
#include "models/embeddings/code_packer.hpp"
#include "models/embeddings/scheme.hpp"
#include "models/scorers/gmf_scorer.hpp"
#include "models/scorers/neumf_scorer.hpp"
#include "models/scorers/relevance_scorer.hpp"
#include "models/scorers/sasrec_scorer.hpp"

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);

/// One packed table of this rank.
struct Planned {
  const Config& config;
  int ranks;
  bool user;
  int64_t rows, dim;

  bool sharded() const { return shards_rows(ranks, config, rows); }
  RowSharding sharding() const {
    return sharded() ? RowSharding{rows, ranks, 0} : RowSharding::whole(rows);
  }
  int64_t local_rows() const { return sharding().local_rows(); }
  std::string scheme() const {
    const auto tables = choice<SchemeTables>(config.embedding.tables);
    const bool here = tables == SchemeTables::kBoth ||
                      tables == (user ? SchemeTables::kUsers : SchemeTables::kItems);
    return here ? config.embedding.scheme : "full";
  }
  bool coded() const { return traits_of_scheme(scheme()).quantized; }
  bool narrow() const { return choice<RowType>(config.train.row_type) == RowType::kBf16; }
  const EmbeddingScheme& known() const { return find_embedding_scheme(scheme()); }

  /// The arrays that a file has of it, which a test by the best epoch uploads.
  int64_t payload() const {
    const EmbeddingConfig& embedding = config.embedding;
    if (coded()) return packed() + known().codebook_floats(embedding, dim) * kFloat;
    if (known().packed_bytes != nullptr) return packed();
    const int64_t here =
        known().stored_rows ? known().stored_rows(embedding, local_rows()) : local_rows();
    if (known().stored_width == nullptr) return here * dim * kFloat;
    const int64_t width = known().stored_width(embedding, dim);
    return (here + dim) * width * kFloat;  // and the basis
  }
  /// What packing makes; other arrays are training's own.
  int64_t packed() const {
    if (known().packed_bytes != nullptr)
      return known().packed_bytes(config.embedding, local_rows(), dim);
    if (!coded()) return 0;
    const Tiers tiers = make_tiers(config.embedding, rows);
    const Tiers here = sharding().local(tiers);
    int64_t bytes = 0;
    for (int t = 0; t < tiers.count; ++t)
      bytes += here.rows(t) * packed_row_bytes(subspaces(t), code_bits(tiers.centroids[t]));
    return bytes;
  }
  /// While one of its tiers is packed.
  int64_t pack_scratch() const {
    if (!coded()) return 0;
    const Tiers here = sharding().local(make_tiers(config.embedding, rows));
    int64_t most = 0;
    for (int t = 0; t < here.count; ++t)
      most =
          std::max(most, std::min(here.rows(t), kPackChunk) * (subspaces(t) + (dim + 1) * kFloat));
    return most;
  }
  /// Rows in bfloat16 are widened a chunk at a time; the room stays training's.
  int64_t pack_room() const {
    if (!coded() || !narrow()) return 0;
    const Tiers here = sharding().local(make_tiers(config.embedding, rows));
    int64_t most = 0;
    for (int t = 0; t < here.count; ++t) most = std::max(most, here.rows(t));
    return std::min(most, kPackChunk) * dim * kFloat;
  }
  /// PackedRows with that room; `decodes`: range() is used, of a table that may store its rows so.
  int64_t reader(int64_t range, int64_t ids, bool decodes, bool uploaded) const {
    const int64_t most = std::max(range, ids);
    const bool looked_up = !coded() && known().packed_bytes == nullptr &&
                           known().stored_rows == nullptr && known().stored_width == nullptr;
    const bool stored = looked_up && (uploaded || !narrow());
    const int64_t factor =
        known().stored_width ? known().stored_width(config.embedding, dim) * kFloat : 0;
    const int64_t bucket = known().stored_rows ? kId : 0;
    return (decodes && !stored ? range * dim * kFloat : 0) + most * (factor + bucket) +
           (sharded() ? ids * kId : 0);
  }

 private:
  int subspaces(int tier) const {
    const std::vector<int>& all = config.embedding.subspaces;
    return all.size() == 1 ? all[0] : all[static_cast<size_t>(tier)];
  }
};

struct Plan {
  const Config& config;
  int ranks;
  const Catalogue& catalogue;

  int64_t dim() const { return config.embedding.dim; }
  std::vector<TableSpec> tables_of_items() const { return tables_of(config, Entity::kItem); }
  /// Of the perceptron's tables, which stand last.
  int64_t mlp_dim() const { return tables_of_items().back().dim; }
  /// With a perceptron, which has tables of its own: scores are products over chunks of items.
  bool has_perceptron() const { return tables_of_items().size() > 1; }
  bool relevance() const { return choice<TaskKind>(config.model.task) == TaskKind::kRelevance; }
  bool reads_users() const { return !tables_of(config, Entity::kUser).empty(); }
  bool sequences() const { return find_backbone(config.model.name).batch == BatchKind::kSequences; }

  std::vector<Planned> tables() const {
    std::vector<Planned> all;
    for (const Entity entity : {Entity::kUser, Entity::kItem})
      for (const TableSpec& table : tables_of(config, entity)) {
        const bool user = entity == Entity::kUser;
        all.push_back({config, ranks, user, user ? catalogue.users : catalogue.items, table.dim});
      }
    return all;
  }
  /// Rows of a rank's largest chunk of items.
  int64_t chunk(int64_t size) const {
    const Planned items{config, ranks, false, catalogue.items, dim()};
    const bool together =
        items.sharded() ||
        (reads_users() && Planned{config, ranks, true, catalogue.users, dim()}.sharded());
    const int64_t rows =
        items.sharded() || !together ? items.local_rows() : (catalogue.items + ranks - 1) / ranks;
    return std::clamp<int64_t>(rows, 1, size);
  }

  /// What the scorer holds, its layers' weights apart.
  int64_t scorer(bool uploaded) const {
    if (relevance()) return pair_scorer(uploaded);
    int64_t bytes = 0;
    if (has_perceptron()) {
      // Products over items have the rows of a whole chunk on every rank.
      const int64_t users = NeumfRanker::kMaxUsers, d = dim(), m = mlp_dim();
      const int64_t rows = std::min(NeumfRanker::kProductRows, catalogue.items);
      for (const Planned& table : tables())
        bytes += table.reader(table.user ? 0 : rows, users, false, uploaded);
      const int64_t activations = m + MlpTower::middle_width(m) + MlpTower::top_width(m);
      return bytes + users * (d + 2 * m + 1) * kFloat +
             rows * (d + 2 * m + activations + 2) * kFloat;
    }
    const int64_t users = sequences() ? SasrecRanker::kMaxUsers : GmfRanker::kMaxUsers;
    const int64_t tokens = sequences() ? users * config.model.max_length : 0;
    for (const Planned& table : tables())
      bytes += table.user
                   ? table.reader(0, users, false, uploaded)
                   : table.reader(chunk(kItemChunk), std::max(users, tokens), true, uploaded);
    // Vectors, the positives' rows and scores; of a sequence its rows, numbers and activations.
    return bytes + users * (2 * dim() + 1) * kFloat +
           tokens * (dim() * kFloat + kId +
                     SasrecActivations::floats_of_token(dim(), config.model.heads) * kFloat);
  }
  int64_t pair_scorer(bool uploaded) const {
    const int64_t pairs = RelevanceScorer::kChunk, copies = has_perceptron() ? 2 : 1, m = mlp_dim();
    int64_t bytes = catalogue.items * kFloat + 4 * pairs * kId + copies * pairs * kFloat;
    for (const Planned& table : tables())
      bytes += table.reader(0, 2 * pairs, false, uploaded) + 2 * pairs * table.dim * kFloat +
               (has_perceptron() ? 2 * pairs * kId : 0);
    if (has_perceptron())
      bytes += 2 * pairs * (3 * m + MlpTower::middle_width(m) + MlpTower::top_width(m)) * kFloat;
    return bytes;
  }
};

}  // namespace

int64_t evaluation_bytes(int ranks, const Config& config, const Catalogue& catalogue) {
  const Plan plan{config, ranks, catalogue};
  int64_t packed = 0, payload = 0, scratch = 0, room = 0;
  for (const Planned& table : plan.tables()) {
    packed += table.packed();
    payload += table.payload();
    scratch = std::max(scratch, table.pack_scratch());
    room += table.pack_room();
  }
  return room +
         std::max(packed + std::max(scratch, plan.scorer(false)), payload + plan.scorer(true));
}

}  // namespace mgqe

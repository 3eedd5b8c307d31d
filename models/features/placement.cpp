#include "models/features/placement.hpp"

#include "models/features/evaluation_plan.hpp"

#include <algorithm>
#include <cstdio>

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);

/// Bytes of a row of `width`.
int64_t row_bytes(const TrainConfig& train, int64_t width) {
  return train.row_type == "bf16" ? width * kFloat / 2 : width * kFloat;
}

/// Bytes that the optimizer keeps of it.
int64_t state_bytes(const TrainConfig& train, int64_t width) {
  if (train.optimizer == "sgd") return 0;
  if (train.optimizer == "rowwise_adagrad") return kFloat;
  return (train.optimizer == "adam" ? 3 : 2) * width * kFloat;  // dense Adam: and a gradient
}

bool is_quantized(const std::string& scheme) {
  return scheme == "mgqe" || scheme == "dpq_vq" || scheme == "dpq_sx";
}

/// One table of a side.
struct Table {
  std::string side;  // "user" or "item"
  int64_t rows, dim;
};

std::vector<Table> tables_of(const Config& config, const Catalogue& catalogue) {
  std::vector<Table> tables;
  const bool two_sides = config.model.task == "ranking" && config.model.name != "sasrec";
  const int64_t mlp = config.model.mlp_dim > 0 ? config.model.mlp_dim : config.embedding.dim;
  for (const bool user : {true, false}) {
    if (user && !two_sides) continue;
    const int64_t rows = user ? catalogue.users : catalogue.items;
    tables.push_back({user ? "user" : "item", rows, config.embedding.dim});
    if (config.model.name == "neumf") tables.push_back({user ? "user" : "item", rows, mlp});
  }
  return tables;
}

/// Look-ups of one rank's batch in one side.
int64_t lookups_of(const Config& config, int ranks) {
  const int64_t share = (config.train.batch + ranks - 1) / ranks;
  if (config.model.name == "sasrec") return 3 * share * config.model.max_length;
  return config.model.task == "relevance" ? 2 * share : share;
}

/// What one table needs for a batch, beside its rows and their optimizer.
struct BatchBuffers {
  const Config& config;
  int ranks;
  bool sharded;
  int64_t lookups;  // B of this rank
  int64_t served;   // that all ranks together can ask of it, where the table is sharded

  int64_t bytes(int64_t dim) const {
    const int64_t rows = lookups * dim * kFloat, served_rows = served * dim * kFloat;
    const int64_t gradients = rows;
    const int64_t own = scheme(sharded ? served : lookups, dim);
    return gradients + own + (sharded ? exchange(rows, served_rows) : gather(dim)) + widened(dim);
  }

 private:
  bool narrow() const { return config.train.gradient_type == "bf16"; }
  bool low_rank() const { return config.embedding.scheme == "low_rank"; }
  bool gathers() const { return !sharded && ranks > 1 && config.train.optimizer != "adam"; }
  int64_t stored_width(int64_t dim) const { return low_rank() ? config.embedding.rank : dim; }

  /// The scheme's, for so many look-ups.
  int64_t scheme(int64_t count, int64_t dim) const {
    const EmbeddingConfig& embedding = config.embedding;
    if (low_rank()) return count * (dim + 2 * embedding.rank) * kFloat;
    if (!is_quantized(embedding.scheme)) return 0;
    const int64_t decoded = embedding.scheme == "dpq_sx"        ? 4
                            : embedding.commitment_weight > 0.0 ? 2
                                                                : 1;
    return count * (decoded * dim * kFloat + codes());
  }
  int64_t codes() const {
    const std::vector<int>& subspaces = config.embedding.subspaces;
    return *std::max_element(subspaces.begin(), subspaces.end());
  }
  /// Rows asked for and their summed gradients, the gradients of served rows, and what travels.
  int64_t exchange(int64_t rows, int64_t served_rows) const {
    const int64_t wire =
        is_quantized(config.embedding.scheme) ? (lookups + served) * codes() : rows + served_rows;
    return 2 * rows + served_rows + wire + (narrow() ? (rows + served_rows) / 2 : 0);
  }
  /// Every rank's ids and summed gradients.
  int64_t gather(int64_t dim) const {
    if (!gathers()) return 0;
    const int64_t row = stored_width(dim) * kFloat;
    return (ranks + 1) * lookups * (narrow() ? row + row / 2 : row) + 5 * ranks * lookups * kId;
  }
  /// Rows stored in bfloat16 are widened for a batch, of all ranks where it touches them.
  int64_t widened(int64_t dim) const {
    if (config.train.row_type != "bf16") return 0;
    return (sharded ? served : gathers() ? ranks * lookups : lookups) * dim * kFloat;
  }
};

std::string gibibytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

}  // namespace

int64_t table_bytes(const Config& config, int64_t rows, int64_t dim) {
  return rows * (row_bytes(config.train, dim) + state_bytes(config.train, dim));
}

bool shards_rows(int ranks, const Config& config, int64_t rows) {
  // The buckets of hashed tables are few, and every rank hashes for itself.
  if (ranks == 1 || config.run.shard == "none" || config.embedding.scheme == "hashed") return false;
  const bool large = table_bytes(config, rows, config.embedding.dim) > kWholeBytes;
  if (config.run.shard == "auto" && !large) return false;
  if (rows < ranks)
    input_error("--shard rows: a table of ", rows, " rows cannot be sharded over ", ranks,
                " ranks: use fewer ranks or --shard none");
  return true;
}

RowSharding placed_rows(const Communicator& ranks, const Config& config, int64_t rows) {
  if (!shards_rows(ranks.size(), config, rows)) return RowSharding::whole(rows);
  return {rows, ranks.size(), ranks.rank()};
}

std::map<std::string, RowSharding> placed_tables(const Communicator& ranks, const Config& config,
                                                 const PackedModel& model) {
  std::map<std::string, RowSharding> placed;
  for (const auto& [name, table] : model.tables)
    placed.emplace(name, placed_rows(ranks, config, table.rows));
  return placed;
}

std::string describe_placement(int ranks, const Config& config, const Catalogue& catalogue) {
  std::string text, last;
  for (const Table& table : tables_of(config, catalogue)) {
    if (table.side == last) continue;
    last = table.side;
    text += (text.empty() ? "" : ", ") + table.side +
            (shards_rows(ranks, config, table.rows) ? " rows sharded" : " rows on every rank");
  }
  return text;
}

int64_t MemoryPlan::total() const {
  int64_t sum = 0;
  for (const Line& line : lines) sum += line.bytes;
  return sum;
}

std::string MemoryPlan::text() const {
  std::string text;
  for (const Line& line : lines) text += gibibytes(line.bytes) + " of " + line.what + ", ";
  return text + gibibytes(total()) + " in all";
}

MemoryPlan plan_memory(int ranks, const Config& config, const Catalogue& catalogue) {
  const EmbeddingConfig& embedding = config.embedding;
  const int64_t lookups = lookups_of(config, ranks);
  int64_t codebooks = 0, batches = 0;
  std::string last;  // side
  MemoryPlan plan;
  for (const Table& table : tables_of(config, catalogue)) {
    const bool sharded = shards_rows(ranks, config, table.rows);
    const int64_t here = embedding.scheme == "hashed" ? embedding.buckets
                         : sharded                    ? (table.rows + ranks - 1) / ranks
                                                      : table.rows;
    const int64_t width = embedding.scheme == "low_rank" ? embedding.rank : table.dim;
    plan.lines.push_back({table.side + (sharded ? " rows, sharded" : " rows"),
                          here * row_bytes(config.train, width)});
    plan.lines.push_back({table.side + " optimizer", here * state_bytes(config.train, width)});
    if (is_quantized(embedding.scheme))
      codebooks += 4 * 256 * table.dim * kFloat;  // with gradient and moments
    const int64_t served = sharded ? ranks * std::min(lookups, here) : 0;
    batches += BatchBuffers{config, ranks, sharded, lookups, served}.bytes(table.dim);
    // Ids and counts of the step under way and the one being prepared, and of what others ask in
    // them; the tables of a side share these.
    if (table.side != last)
      batches += ((ranks > 1 ? 8 : 4) * lookups + (sharded ? 16 * lookups + 14 * served : 0)) * kId;
    last = table.side;
  }
  if (codebooks > 0) plan.lines.push_back({"codebooks", codebooks});
  plan.lines.push_back({"batches", batches});
  plan.lines.push_back({"evaluation", evaluation_bytes(ranks, config, catalogue)});
  return plan;
}

void require_memory(Backend& backend, const MemoryPlan& plan) {
  const Communicator& ranks = backend.communicator();
  const int64_t free = backend.free_bytes();
  const int64_t share = backend.name() == "cpu" ? free / ranks.ranks_here() : free;
  if (plan.total() <= share) return;
  input_error("not enough memory: ", plan.text(), " a rank, but ", gibibytes(share),
              " are free for it: use more ranks with --shard rows, --optimizer rowwise_adagrad "
              "(and --row-type bf16), or a smaller --dim");
}

}  // namespace mgqe

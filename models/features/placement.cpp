#include "models/features/placement.hpp"

#include <algorithm>
#include <cstdio>

#include "host/config/choices.hpp"
#include "models/embeddings/scheme.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/features/table_group.hpp"

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);

/// Bytes of a row of `width`.
int64_t row_bytes(const TrainConfig& train, int64_t width) {
  return train.row_type == RowType::kBf16 ? width * kFloat / 2 : width * kFloat;
}

/// Bytes that the optimizer keeps of it.
int64_t state_bytes(const TrainConfig& train, int64_t width) {
  const OptimizerTraits& optimizer = traits_of(train.optimizer);
  return (optimizer.row_floats + optimizer.component_floats * width) * kFloat;
}

/// Of a scheme's own figure, or that of a full table.
int64_t figure(int64_t (*own)(const EmbeddingConfig&, int64_t), const Config& config, int64_t value,
               int64_t full) {
  return own != nullptr ? own(config.embedding, value) : full;
}

/// What one table needs for a batch, beside its rows and their optimizer.
struct BatchBuffers {
  const Config& config;
  int ranks;
  bool sharded;
  int64_t lookups;  // B of this rank
  int64_t served;   // that all ranks together can ask of it, where the table is sharded

  int64_t bytes(int64_t dim) const {
    const int64_t gradients = lookups * dim * kFloat;
    return gradients + own(sharded ? served : lookups, dim) +
           (sharded ? exchange(dim) : gather(dim)) + widened(dim);
  }

 private:
  const EmbeddingScheme& scheme() const { return find_embedding_scheme(config.embedding.scheme); }
  bool narrow() const { return config.train.gradient_type == RowType::kBf16; }
  bool gathers() const {
    return !sharded && ranks > 1 && !traits_of(config.train.optimizer).touches_all_rows;
  }
  int64_t own(int64_t count, int64_t dim) const {
    return count * figure(scheme().lookup_bytes, config, dim, 0);
  }
  /// Rows asked for and their summed gradients, the gradients of served rows, and what travels.
  int64_t exchange(int64_t dim) const {
    const int64_t rows = lookups * dim * kFloat, served_rows = served * dim * kFloat;
    const int64_t wire =
        (lookups + served) * figure(scheme().wire_bytes, config, dim, dim * kFloat);
    return 2 * rows + served_rows + wire + (narrow() ? (rows + served_rows) / 2 : 0);
  }
  /// Every rank's ids and summed gradients.
  int64_t gather(int64_t dim) const {
    if (!gathers()) return 0;
    int64_t row = 0;
    for (const StoredTable& table : stored_tables(config.embedding, 1, dim))
      row += table.width * kFloat;
    return (ranks + 1) * lookups * (narrow() ? row + row / 2 : row) + 5 * ranks * lookups * kId;
  }
  /// Rows stored in bfloat16 are widened for a batch, of all ranks where it touches them.
  int64_t widened(int64_t dim) const {
    if (config.train.row_type == RowType::kF32) return 0;
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
  const Shard shard = config.run.shard;
  if (ranks == 1 || shard == Shard::kNone || !traits_of_scheme(config.embedding.scheme).sharded)
    return false;
  const bool large = table_bytes(config, rows, config.embedding.dim) > kWholeBytes;
  if (shard == Shard::kAuto && !large) return false;
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
  std::string text;
  for (const TableGroup& group : table_groups(config, catalogue))
    text += (text.empty() ? "" : ", ") + group.name +
            (shards_rows(ranks, config, group.rows) ? " rows sharded" : " rows on every rank");
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
  const OptimizerTraits& optimizer = traits_of(config.train.optimizer);
  int64_t codebooks = 0, batches = 0, copied = 0, ids = 0;
  MemoryPlan plan{{},
                  "use more ranks with --shard rows, --optimizer rowwise_adagrad (and --row-type "
                  "bf16), or a smaller --dim"};
  const int64_t examples = (config.train.batch + ranks - 1) / ranks;  // of one rank's batch
  for (const TableGroup& group : table_groups(config, catalogue)) {
    Config own = config;
    own.embedding = group.embedding;
    const int64_t rows = group.rows, lookups = examples * group.lookups;
    ids += rows * static_cast<int64_t>(sizeof(int64_t));
    const EmbeddingScheme& scheme = find_embedding_scheme(own.embedding.scheme);
    const bool sharded = shards_rows(ranks, config, rows);
    const int64_t share = sharded ? (rows + ranks - 1) / ranks : rows;
    const int64_t served = sharded ? ranks * std::min(lookups, share) : 0;
    for (const TableSpec& table : group.tables) {
      const int64_t dim = table.dim;
      int64_t values = 0, state = 0;
      for (const StoredTable& stored : stored_tables(own.embedding, share, dim)) {
        values += stored.rows * row_bytes(config.train, stored.width);
        state += stored.rows * state_bytes(config.train, stored.width);
      }
      plan.lines.push_back({group.name + (sharded ? " rows, sharded" : " rows"), values});
      plan.lines.push_back({group.name + " optimizer", state});
      copied += values + state;
      const int rounded = own.embedding.codebook_type == CodebookType::kF32 ? 0 : 1;
      codebooks += (2 + rounded + optimizer.dense_floats) *  // values, gradient, moments
                   figure(scheme.dense_floats, own, dim, 0) * kFloat;
      batches += BatchBuffers{own, ranks, sharded, lookups, served}.bytes(dim);
    }
    // Ids and counts of the step under way and the one being prepared, and of what others ask in
    // them; the tables of a side share these.
    batches += ((ranks > 1 ? 8 : 4) * lookups + (sharded ? 16 * lookups + 14 * served : 0)) * kId;
  }
  // The vectors of a batch's features side by side, and their gradient.
  if (catalogue.layout != nullptr)
    batches += 2 * examples * catalogue.layout->features * config.embedding.dim * kFloat;
  if (codebooks > 0) plan.lines.push_back({"codebooks", codebooks});
  plan.lines.push_back({"batches", batches});
  plan.lines.push_back({"evaluation", evaluation_bytes(ranks, config, catalogue)});
  // The best epoch's tables stay, are in a checkpoint on its way, and in the artifact; so are ids,
  // beside the counts they were ranked by.
  const int64_t packed = evaluation_of_file(ranks, config, catalogue).tables;
  plan.host_lines = {{"a checkpoint on its way", copied},
                     {"the best epoch's tables", 3 * packed},
                     {"ids and counts", 3 * ids}};
  return plan;
}

MemoryPlan plan_evaluation(int ranks, const Config& config, const Catalogue& catalogue) {
  const EvaluationPlan plan = evaluation_of_file(ranks, config, catalogue);
  return {{{"packed tables", plan.tables}, {"scoring", plan.scorer}},
          "use more ranks with --shard rows"};
}

void require_memory(Backend& backend, const MemoryPlan& plan) {
  const std::vector<std::string> memories = backend.communicator().gather(backend.address());
  const int64_t sharers = std::count(memories.begin(), memories.end(), backend.address());
  const int64_t share = backend.free_bytes() / sharers;
  MemoryPlan needed = plan;
  if (backend.name() == "cpu")
    needed.lines.insert(needed.lines.end(), plan.host_lines.begin(), plan.host_lines.end());
  if (needed.total() <= share) return;
  input_error("not enough memory: ", needed.text(), " a rank, but ", gibibytes(share),
              " are free for it: ", plan.remedy);
}

}  // namespace mgqe

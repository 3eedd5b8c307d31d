// Where the tables of a run live: whole on every rank, or their rows sharded over ranks.
#pragma once

#include "models/backbones/model.hpp"

namespace mgqe {

/// Bytes of a table of `rows` and all that the optimizer keeps of it.
int64_t table_bytes(const Config& config, int64_t rows, int64_t dim);

/// Whether a table side of `rows` rows is sharded: as --shard says; auto shards what would take
/// more than kWholeBytes whole.
inline constexpr int64_t kWholeBytes = int64_t{64} << 20;
bool shards_rows(int ranks, const Config& config, int64_t rows);

/// Of a side of so many rows, the rows that this rank has.
RowSharding placed_rows(const Communicator& ranks, const Config& config, int64_t rows);
/// The same of every table of a packed model.
std::map<std::string, RowSharding> placed_tables(const Communicator& ranks, const Config& config,
                                                 const PackedModel& model);

/// What the arrays of one rank take, that with most rows, in training and in an evaluation between
/// two epochs or of the best one at the end. Layers and scratch of a step's ops are
/// not counted: with tables so large that one must count, they are small.
struct MemoryPlan {
  struct Line {
    std::string
        what;  // "item rows, sharded", "item optimizer", "codebooks", "batches", "evaluation"
    int64_t bytes;
  };
  std::vector<Line> lines;
  const char* remedy;  // where it is too much
  /// Of the host's memory, which a CPU's arrays are in too: what a checkpoint and the results are
  /// written from, ids and their counts.
  std::vector<Line> host_lines{};

  /// Of the lines, not those of the host.
  int64_t total() const;
  /// "0.50 GiB of user rows, ..., 1.20 GiB in all".
  std::string text() const;
};
MemoryPlan plan_memory(int ranks, const Config& config, const Catalogue& catalogue);
/// The same of an evaluation of a file alone.
MemoryPlan plan_evaluation(int ranks, const Config& config, const Catalogue& catalogue);
/// InputError with the plan's numbers where this rank's share of its device's memory, which other
/// ranks may have arrays in, is less. Every rank calls it.
void require_memory(Backend& backend, const MemoryPlan& plan);

/// For people: "user rows on every rank, item rows sharded".
std::string describe_placement(int ranks, const Config& config, const Catalogue& catalogue);

}  // namespace mgqe

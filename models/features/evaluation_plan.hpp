// What an evaluation takes of one rank's device beside what training holds: packed arrays, the
// chunks a catalogue is decoded in, the rows of a batch of users, and what packing needs meanwhile.
#pragma once

#include <string>
#include <vector>

#include "models/features/placement.hpp"

namespace mgqe {

/// One packed table, as this rank has it.
struct TablePlan {
  const Config& config;
  int ranks;
  Entity entity;
  EmbeddingConfig embedding;  // of its rows
  int64_t rows, dim;          // of the whole table

  bool sharded() const;
  int64_t local_rows() const { return sharding().local_rows(); }

  /// Bytes of the arrays that a file has of it, which a test by the best epoch uploads.
  int64_t payload() const;
  /// Bytes that packing makes; other arrays are training's own.
  int64_t packed() const;
  /// While one of its tiers is packed.
  int64_t pack_scratch() const;
  /// Rows in bfloat16 are widened a chunk at a time; the room stays training's.
  int64_t pack_room() const;
  /// PackedRows with room for `ids` look-ups and for ranges of `range` rows; `decodes`: ranges are
  /// read, of a table that may store its rows as they are. `uploaded`: from a file.
  int64_t reader(int64_t range, int64_t ids, bool decodes, bool uploaded) const;

 private:
  RowSharding sharding() const {
    return sharded() ? RowSharding{rows, ranks, 0} : RowSharding::whole(rows);
  }
  bool coded() const;
  int subspaces(int tier) const;
};

/// What a backbone's scorer is sized by: Backbone::ranker_bytes and pair_scorer_bytes.
struct ScorerPlan {
  const Config& config;
  int ranks;
  const Catalogue& catalogue;
  bool uploaded;  // it reads a model from a file, not that in training

  /// Those of users first, each side in the backbone's order.
  std::vector<TablePlan> tables() const;
  /// Rows of a rank's largest chunk of items, of at most `size`.
  int64_t chunk_items(int64_t size) const;
  /// Bytes of readers with room for `users` look-ups each; those of items also decode a chunk and
  /// look up `items` rows.
  int64_t scan_readers(int64_t users, int64_t items) const;
  /// Of relevance, what a RelevanceScorer itself holds: biases, numbers, scores, rows of a chunk.
  int64_t relevance_scorer() const;
  /// Of ctr, what a CtrTableScorer holds, and the rows it is given.
  int64_t ctr_scorer() const;
};

/// Bytes of an evaluation of a packed model from a file, where no training goes on.
struct EvaluationPlan {
  int64_t tables, scorer;
};
EvaluationPlan evaluation_of_file(int ranks, const Config& config, const Catalogue& catalogue);

/// The most at any time, of the rank with most rows. The questions themselves (who is asked, about
/// what) are the data's and not counted, nor the weights of layers.
int64_t evaluation_bytes(int ranks, const Config& config, const Catalogue& catalogue);

}  // namespace mgqe

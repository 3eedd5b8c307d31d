// Interaction: what a pair backbone computes from the rows of its two sides. PairModel ranks with
// it (users x items), RelevanceModel scores items against items.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/engine/look_ahead.hpp"
#include "models/backbones/model.hpp"
#include "models/embeddings/sharded.hpp"
#include "models/layers/pair_forward.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

using SideGradient = std::span<const View<float>>;  // (B, d) each

/// What one loss of B pairs trains: a logit and the weights behind it.
class PairObjective : public PairForward {
 public:
  /// After forward on the same sides: gradients of both sides from logit_gradient (B); keeps those
  /// of its own weights for step().
  virtual void backward(Side left, Side right, View<const float> logit_gradient,
                        SideGradient left_gradients, SideGradient right_gradients) = 0;
  virtual void step(View<const StepState> state) = 0;
};

class Interaction : public PairObjective {
 public:
  virtual void pack(ArrayMap& arrays) const = 0;
  virtual void visit(const TensorVisitor& visitor) = 0;
};

/// Builds the interaction of a run: config as recorded, max_pairs B.
using MakeInteraction = std::unique_ptr<Interaction> (*)(Backend&, const Config&,
                                                         int64_t max_pairs);

/// The embeddings of one side, one for each table of an interaction.
class SideTables {
 public:
  /// Those that config's backbone has of the entity; max_lookups B.
  SideTables(Backend& backend, const Config& config, Entity entity, int64_t rows,
             int64_t max_lookups);
  /// Those of specs, which are of the same rows and look-ups.
  SideTables(Backend& backend, const Config& config, std::vector<EmbeddingSpec> specs);

  /// Sorts ids (B) once for every table, by ops of `on`. lookups: B of all ranks together.
  void prepare(Backend& on, View<const int32_t> ids, int64_t lookups);
  // Rows sharded over ranks, and their gradients, travel beside the ops called between a send and
  // what follows from it.
  /// Before forward: begins to send what other ranks look up.
  void send_rows();
  /// Looks the ids last prepared up in every table.
  Side forward();
  /// Gradient buffers (B, d) of the last forward, one a table.
  SideGradient gradients() const { return gradients_; }
  /// Before update: begins to send the gradients of the tables listed.
  void send_gradients(const std::vector<int>& tables);
  /// Backward and step of the tables listed, one table after the other: it moves while the
  /// gradients of the next are still on their way.
  void update(const std::vector<int>& tables, View<const StepState> state);
  /// Numbers of all tables.
  const std::vector<int>& all() const { return all_; }
  const UniqueIds& unique() const { return batch_.unique; }
  std::span<const int64_t> rank_rows() const { return rank_rows_; }

  void pack(DevicePackedModel& model);
  void tier_reports(std::map<std::string, std::vector<TierReport>>& reports) const;
  void visit(const TensorVisitor& visitor);

 private:
  Communicator& ranks_;
  int64_t rows_;
  DoubleBuffer<UniqueBuffer> unique_buffer_;
  bool counts_rank_rows_;                     // where the tables' updates ask for them
  std::unique_ptr<SparseAllToAll> exchange_;  // where the rows are sharded over ranks
  IdBatch batch_;
  std::vector<int64_t> rank_rows_;  // (N), among ranks
  std::vector<std::string> names_;
  std::vector<int> all_;
  std::vector<std::unique_ptr<Embedding>> tables_;
  std::vector<ShardedEmbedding*> sharded_;       // tables_, where rows are sharded; else none
  std::vector<Tensor<float>> gradient_buffers_;  // (max_lookups, d)
  std::vector<Lookup> lookups_;
  std::vector<View<float>> gradients_;
};

}  // namespace mgqe

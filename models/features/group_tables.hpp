// GroupTables: the embeddings of one group in training, each a table, looked up by the same ids.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/engine/look_ahead.hpp"
#include "models/embeddings/sharded.hpp"
#include "models/features/table_group.hpp"
#include "models/layers/pair_forward.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

using SideGradient = std::span<const View<float>>;  // (B, d) each

class GroupTables {
 public:
  /// max_lookups: B.
  GroupTables(Backend& backend, const Config& config, const TableGroup& group, int64_t max_lookups);

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

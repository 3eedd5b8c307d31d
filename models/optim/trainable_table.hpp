// TrainableTable: a table (n, d) that a batch touches by rows, this rank's share of it or, on each
// rank, all, with its optimizer state.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/base/host_array.hpp"
#include "models/optim/optimizer.hpp"
#include "models/packing/device_table.hpp"

namespace mgqe {

class RowGather;

class TrainableTable {
 public:
  TrainableTable(Backend& backend, std::string name, const RowSharding& sharding, int64_t dim,
                 const OptimizerOptions& options);
  ~TrainableTable();

  int64_t rows() const { return sharding_.local_rows(); }
  int64_t dim() const { return in_bfloat16() ? stored_.cols() : values.cols(); }
  std::vector<float> to_host() const;  // (rows, d)
  /// This rank's rows as they are stored, floats or bfloat16: valid until the next step.
  DeviceArray stored() const {
    return in_bfloat16() ? DeviceArray::borrow<Bfloat16>(stored_.view())
                         : DeviceArray::borrow<float>(values.view());
  }
  /// A whole table under its name; a column as a vector.
  void pack(ArrayMap& arrays) const;
  void visit(const TensorVisitor& visitor);

  /// Element by element of the whole table, stddev * normal(key).
  void fill_normal(uint64_t key, double stddev);
  /// Room for batches of so many look-ups of this rank, so that no step allocates.
  void reserve(int64_t lookups);
  /// Rows of a set, each at its place(): the table itself, or, of one stored in bfloat16, floats
  /// that stay valid until the next call; the set is then marked as gathered.
  View<const float> fetch(UniqueIds& unique);
  View<const float> fetch(RowSet& rows);
  /// gradient (B, d) by look-up of the ids last fetched. A whole table takes every rank's, a share
  /// what its rank is given. rank_rows (N): distinct ids of each rank; where they are not known, a
  /// whole table among ranks asks, and waits for the device.
  void step(const UniqueIds& unique, View<const float> gradient, View<const StepState> state,
            std::span<const int64_t> rank_rows = {});

  Tensor<float> values;  // (rows, d); of a table stored in bfloat16: none

 private:
  bool in_bfloat16() const { return options_.row_type == RowType::kBf16; }
  View<const float> fetch(RowSet& rows, Tensor<float>& room);
  void update_rows(const UniqueIds& unique, View<const float> gradient,
                   View<const StepState> state);

  Backend& backend_;
  std::string name_;
  OptimizerOptions options_;
  RowSharding sharding_;  // of the rows
  OptimizerState state_;

  Tensor<Bfloat16> stored_;      // (n, d), only in bfloat16
  Tensor<float> batch_, range_;  // (most rows fetched at once, d), only in bfloat16
  uint64_t rounding_key_ = 0;

  Tensor<float> dense_gradient_;       // (n, d), only under dense Adam
  std::unique_ptr<RowGather> gather_;  // only of a whole table among ranks
};

}  // namespace mgqe

// Optimizers, and what they keep of an array between steps.
#pragma once

#include <span>
#include <string>

#include "host/config/choices.hpp"
#include "models/optim/tensor_visitor.hpp"

namespace mgqe {

/// How the weights of a run are updated.
struct OptimizerOptions {
  AdamOptions adam;  // SGD takes its learning rate
  Optimizer optimizer = Optimizer::kSparseAdam;
  double table_l2 = 0.0;             // L2 penalty on table rows
  double table_learning_rate = 0.0;  // of table rows; 0: adam.learning_rate
  RowType row_type = RowType::kF32;
  bool bfloat16_gradients = false;  // --gradient-type: of rows, on their way between ranks
};

/// What an optimizer keeps of an array (rows, cols) between steps.
class OptimizerState {
 public:
  enum class Kind { kNone, kMoments, kSquareSums };
  /// Of a dense array, and of a table that is touched by rows.
  static Kind of_dense(Optimizer optimizer);
  static Kind of_table(Optimizer optimizer);

  OptimizerState(Backend& backend, Kind kind, int64_t rows, int64_t cols);

  /// For the ops that update whole arrays.
  Moments moments() const { return {first_, second_}; }
  /// For the op that updates touched rows.
  RowUpdate row_update(const OptimizerOptions& options) const;
  /// As NAME.adam_first, NAME.adam_second, NAME.adagrad: those there are.
  void visit(const std::string& name, const RowSharding& sharding, const TensorVisitor& visitor);

 private:
  Tensor<float> first_, second_;  // (rows, cols), only under Adam and SparseAdam
  Tensor<float> square_sums_;     // (rows), only under row-wise Adagrad
};

/// A step of each whole array by Adam or SGD.
void update_each(Backend& backend, std::span<const DenseArray> arrays,
                 const OptimizerOptions& options, View<const StepState> state);

}  // namespace mgqe

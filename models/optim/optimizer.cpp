#include "models/optim/optimizer.hpp"

namespace mgqe {

OptimizerState::Kind OptimizerState::of_dense(Optimizer optimizer) {
  return optimizer == Optimizer::kSgd ? Kind::kNone : Kind::kMoments;
}

OptimizerState::Kind OptimizerState::of_table(Optimizer optimizer) {
  switch (optimizer) {
    case Optimizer::kSparseAdam:
    case Optimizer::kAdam:
      return Kind::kMoments;
    case Optimizer::kRowwiseAdagrad:
      return Kind::kSquareSums;
    case Optimizer::kSgd:
      return Kind::kNone;
  }
  throw Error("an optimizer of no name");
}

OptimizerState::OptimizerState(Backend& backend, Kind kind, int64_t rows, int64_t cols) {
  if (kind == Kind::kMoments) {
    first_ = Tensor<float>(backend, rows, cols);
    second_ = Tensor<float>(backend, rows, cols);
  }
  if (kind == Kind::kSquareSums) square_sums_ = Tensor<float>(backend, rows);
}

RowUpdate OptimizerState::row_update(const OptimizerOptions& options) const {
  const RowRule rule = options.optimizer == Optimizer::kRowwiseAdagrad ? RowRule::kRowwiseAdagrad
                       : options.optimizer == Optimizer::kSgd          ? RowRule::kSgd
                                                                       : RowRule::kSparseAdam;
  return {rule, options.adam, moments(), square_sums_};
}

void OptimizerState::visit(const std::string& name, const RowSharding& sharding,
                           const TensorVisitor& visitor) {
  if (first_.size() > 0) {
    visitor(name + ".adam_first", first_, sharding);
    visitor(name + ".adam_second", second_, sharding);
  }
  if (square_sums_.size() > 0) visitor(name + ".adagrad", square_sums_, sharding);
}

void update_each(Backend& backend, std::span<const DenseArray> arrays,
                 const OptimizerOptions& options, View<const StepState> state) {
  if (options.optimizer == Optimizer::kSgd)
    backend.sgd_each(arrays, options.adam.learning_rate, options.adam.l2, state);
  else
    backend.adam_each(arrays, options.adam, state);
}

}  // namespace mgqe

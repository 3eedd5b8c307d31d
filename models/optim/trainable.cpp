#include "models/optim/trainable.hpp"

#include <array>

namespace mgqe {

Trainable::Trainable(Backend& backend, Weights& weights, const OptimizerOptions& options)
    : gradient(backend, weights.values.rows(), weights.values.cols()),
      backend_(backend),
      weights_(&weights),
      options_(options),
      state_(backend, OptimizerState::of_dense(options.optimizer), weights.values.rows(),
             weights.values.cols()) {}

Trainable::Trainable(Backend& backend, Weights&& weights, const OptimizerOptions& options)
    : Trainable(backend, weights, options) {
  owned_ = std::make_unique<Weights>(std::move(weights));
  weights_ = owned_.get();
}

void Trainable::step(View<const StepState> state, Traffic what) {
  step_together(std::array{this}, state, what);
}

void step_together(std::span<Trainable* const> arrays, View<const StepState> state, Traffic what) {
  if (arrays.empty()) return;
  Backend& backend = arrays.front()->backend_;
  Communicator& ranks = backend.communicator();
  std::vector<DenseArray> dense;
  dense.reserve(arrays.size());
  for (Trainable* array : arrays) {
    if (!ranks.alone()) ranks.all_reduce(what, array->gradient.view());
    dense.push_back({array->values(), array->gradient, array->state_.moments()});
  }
  update_each(backend, dense, arrays.front()->options_, state);
}

void Trainable::visit(const TensorVisitor& visitor) {
  const RowSharding whole = RowSharding::whole(values().rows());
  visitor(weights_->name(), values(), whole);
  state_.visit(weights_->name(), whole, visitor);
}

}  // namespace mgqe

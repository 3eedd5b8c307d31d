#include "models/optim/trainable.hpp"

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
  Communicator& ranks = backend_.communicator();
  if (!ranks.alone()) ranks.all_reduce(what, gradient.view());
  state_.update(values(), gradient, options_, state);
}

void Trainable::visit(const TensorVisitor& visitor) {
  const RowSharding whole = RowSharding::whole(values().rows());
  visitor(weights_->name(), values(), whole);
  state_.visit(weights_->name(), whole, visitor);
}

}  // namespace mgqe

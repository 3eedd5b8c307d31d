// Trainable: what moves an array of weights: its gradient, its optimizer state, its step.
#pragma once

#include <memory>
#include <vector>

#include "models/layers/weights.hpp"
#include "models/optim/optimizer.hpp"

namespace mgqe {

/// A dense array under Adam or SGD.
class Trainable {
 public:
  /// Refers to the weights of a layer, which outlive it.
  Trainable(Backend& backend, Weights& weights, const OptimizerOptions& options);
  /// Owns weights that no layer holds.
  Trainable(Backend& backend, Weights&& weights, const OptimizerOptions& options);

  /// Moves the weights by `gradient`, which becomes the sum of all ranks'.
  void step(View<const StepState> state, Traffic what = Traffic::kDense);
  void visit(const TensorVisitor& visitor);

  Tensor<float>& values() const { return weights_->values; }  // (rows, cols)
  Tensor<float> gradient;                                     // (rows, cols): this rank's

 private:
  friend void step_together(std::span<Trainable* const>, View<const StepState>, Traffic);

  Backend& backend_;
  std::unique_ptr<Weights> owned_;
  Weights* weights_;
  OptimizerOptions options_;
  OptimizerState state_;
};

/// Arrays that step together, listed layer by layer.
using Trainables = std::vector<Trainable*>;
/// step() of arrays of one back end and one optimizer, in one op.
void step_together(std::span<Trainable* const> arrays, View<const StepState> state,
                   Traffic what = Traffic::kDense);

}  // namespace mgqe

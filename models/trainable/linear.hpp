// The training half of a dense layer.
#pragma once

#include "models/layers/linear.hpp"
#include "models/optim/trainable.hpp"

namespace mgqe {

class TrainableLinear {
 public:
  /// Weights start Glorot-uniform from `key`, the bias at zero.
  TrainableLinear(Backend& backend, Linear& layer, const OptimizerOptions& options, uint64_t key);

  /// y is that of the layer's forward; y_gradient (m, out) is overwritten under a ReLU. x_gradient
  /// (m, in), += with accumulate; empty where nobody asks for it. Keeps the weights' gradients for
  /// step().
  void backward(View<const float> x, View<const float> y, View<float> y_gradient,
                View<float> x_gradient, bool accumulate = false);
  void step(View<const StepState> state);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  Activation activation_;
  Trainable weights_, bias_;
};

}  // namespace mgqe

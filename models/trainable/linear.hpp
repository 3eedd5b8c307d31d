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
  /// (m, in), += with accumulate; empty where nobody asks for it. Keeps the gradients of the arrays
  /// that list() gives.
  void backward(View<const float> x, View<const float> y, View<float> y_gradient,
                View<float> x_gradient, bool accumulate = false);
  /// The same without the ReLU.
  void backward_linear(View<const float> x, View<const float> y_gradient, View<float> x_gradient,
                       bool accumulate);
  /// And without the bias, whose gradient is the sum that bias_sum() says.
  void backward_product(View<const float> x, View<const float> y_gradient, View<float> x_gradient,
                        bool accumulate);
  SummedRows bias_sum(View<const float> y_gradient) const { return {y_gradient, bias_.gradient}; }
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  Activation activation_;
  Trainable weights_, bias_;
};

}  // namespace mgqe

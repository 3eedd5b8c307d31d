// A dense layer, y = x W + b, with an optional ReLU.
#pragma once

#include "models/optim/parameter.hpp"

namespace mgqe {

enum class Activation { kNone, kRelu };

class Linear {
 public:
  /// Weights NAME.weights (in, out), Glorot-uniform from `key`; NAME.bias (out), zero.
  Linear(Backend& backend, const std::string& name, int64_t in, int64_t out, Activation activation,
         const OptimizerOptions& options, uint64_t key);

  /// x (m, in) -> y (m, out).
  void forward(View<const float> x, View<float> y);
  /// y is that of the forward; y_gradient (m, out) is overwritten under a ReLU. x_gradient (m, in),
  /// += with accumulate; empty where nobody asks for it. Keeps the parameters' gradients for
  /// step().
  void backward(View<const float> x, View<const float> y, View<float> y_gradient,
                View<float> x_gradient, bool accumulate = false);
  void step(View<const StepState> state);

  int64_t outputs() const { return bias_.values.rows(); }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  Activation activation_;
  Parameter weights_, bias_;
  Tensor<float> weight_gradient_, bias_gradient_;
};

}  // namespace mgqe

// Layer normalization with a learned gain and bias (Ba et al. 2016).
#pragma once

#include "models/optim/parameter.hpp"

namespace mgqe {

class LayerNorm {
 public:
  /// NAME.gain (d), ones; NAME.bias (d), zeros; room for max_rows rows.
  LayerNorm(Backend& backend, const std::string& name, int64_t dim, int64_t max_rows,
            const OptimizerOptions& options);

  /// x (m, d) -> y (m, d).
  void forward(View<const float> x, View<float> y);
  /// x is that of the last forward. x_gradient (m, d), += with accumulate.
  void backward(View<const float> x, View<const float> y_gradient, View<float> x_gradient,
                bool accumulate);
  void step(View<const StepState> state);

  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  Parameter gain_, bias_;
  Tensor<float> gain_gradient_, bias_gradient_;
  Tensor<float> stats_;  // (max_rows, 2) of the last forward
};

}  // namespace mgqe

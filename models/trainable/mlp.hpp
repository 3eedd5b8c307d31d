// The training half of an Mlp.
#pragma once

#include "models/layers/mlp.hpp"
#include "models/trainable/linear.hpp"

namespace mgqe {

class TrainableMlp {
 public:
  /// Layers start as TrainableLinear's do, each from a number of `key`.
  TrainableMlp(Backend& backend, Mlp& mlp, const OptimizerOptions& options, uint64_t key,
               int64_t max_rows);

  /// From the x (m, inputs) of the last forward, what it kept, and the gradient of its output
  /// (m, outputs), which is overwritten. x_gradient (m, inputs), += with accumulate; empty where
  /// nobody asks for it. Not of an Mlp without layers.
  void backward(View<const float> x, const Mlp::Kept& kept, View<float> output_gradient,
                View<float> x_gradient, bool accumulate);
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  std::vector<TrainableLinear> layers_;
  std::vector<Tensor<float>> gradients_;  // (max_rows, width) by each layer's output but the last
};

}  // namespace mgqe

// The training half of layer normalization.
#pragma once

#include "models/layers/layer_norm.hpp"
#include "models/optim/trainable.hpp"

namespace mgqe {

class TrainableLayerNorm {
 public:
  /// The gain starts at ones, the bias at zeros.
  TrainableLayerNorm(Backend& backend, LayerNorm& layer, const OptimizerOptions& options);

  /// x and stats are those of the layer's forward. x_gradient (m, d), += with accumulate.
  void backward(View<const float> x, View<const float> stats, View<const float> y_gradient,
                View<float> x_gradient, bool accumulate);
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  Trainable gain_, bias_;
};

}  // namespace mgqe

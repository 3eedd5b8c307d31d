// The training half of a CrossNetwork.
#pragma once

#include "models/layers/cross_network.hpp"
#include "models/trainable/linear.hpp"

namespace mgqe {

class TrainableCrossNetwork {
 public:
  /// Layers start as TrainableLinear's do, each from a number of `key`.
  TrainableCrossNetwork(Backend& backend, CrossNetwork& network, const OptimizerOptions& options,
                        uint64_t key, int64_t max_rows);

  /// From the x_0 (m, width) of the last forward, what it kept, and the gradient of its output
  /// (m, width), which is overwritten: x0_gradient (m, width).
  void backward(View<const float> x0, const CrossNetwork::Kept& kept, View<float> output_gradient,
                View<float> x0_gradient);
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  CrossNetwork& network_;
  std::vector<TrainableLinear> layers_;
  Tensor<float> product_gradient_;  // (max_rows, width)
};

}  // namespace mgqe

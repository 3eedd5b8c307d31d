// The training half of NeuMF's perceptron.
#pragma once

#include <array>

#include "models/layers/mlp_tower.hpp"
#include "models/trainable/linear.hpp"

namespace mgqe {

class TrainableMlpTower {
 public:
  /// keys: of the random start of the three layers.
  TrainableMlpTower(Backend& backend, MlpTower& tower, const OptimizerOptions& options,
                    const std::array<uint64_t, 3>& keys, int64_t max_pairs);

  /// From what the tower's forward of so many pairs kept and the gradient of h_3 (B, m/4), which is
  /// overwritten.
  void backward(int64_t pairs, const TowerActivations& kept, View<float> output_gradient,
                View<float> left_gradient, View<float> right_gradient);
  void list(Trainables& arrays);
  void visit(const TensorVisitor& visitor);

 private:
  Backend& backend_;
  const MlpTower& tower_;
  Trainable weights_, bias_;  // of the first layer
  TrainableLinear middle_, top_;
  Tensor<float> first_gradient_, second_gradient_;  // (B, m) by h_1, (B, m/2) by h_2
};

}  // namespace mgqe

// NeuMF's perceptron up to h_3 (He et al. 2017, section 3.4), m wide at its base:
//   h_1 = relu([p; q] W_0 + b_0), h_2 = relu(h_1 W_1 + b_1), h_3 = relu(h_2 W_2 + b_2),
//   2m -> m -> m/2 -> m/4, but at least one unit.
#pragma once

#include "models/layers/linear.hpp"

namespace mgqe {

/// What the tower computes of up to B pairs: scratch of a forward, and what a backward needs.
struct TowerActivations {
  TowerActivations(Backend& backend, int64_t dim, int64_t max_pairs);

  Tensor<float> left, right;           // (B, m) rows as looked up
  Tensor<float> first, second, third;  // h_1 (B, m), h_2 (B, m/2), h_3 (B, m/4)
};

class MlpTower {
 public:
  /// dim: m. Arrays mlp.0.weights, mlp.0.bias, mlp.1.weights, ...
  MlpTower(Backend& backend, int64_t dim);

  int64_t dim() const { return dim_; }
  int64_t outputs() const { return top.outputs(); }
  static int64_t middle_width(int64_t dim) { return dim / 2 > 1 ? dim / 2 : 1; }
  static int64_t top_width(int64_t dim) { return dim / 4 > 1 ? dim / 4 : 1; }

  /// h_3 (B, m/4), in kept.third.
  View<const float> forward(Lookup left, Lookup right, int64_t pairs, TowerActivations& kept) const;

  /// The first layer by side, h_1 = relu(left + right): left rows with the bias, right ones
  /// without.
  void project_left(View<const float> rows, View<float> out) const;
  void project_right(View<const float> rows, View<float> out) const;
  /// first (rows, m) = h_1 -> second (rows, m/2), third (rows, m/4).
  void finish(View<const float> first, View<float> second, View<float> third) const;

  View<const float> left_weights() const { return weights.values.view().slice(0, dim_); }
  View<const float> right_weights() const { return weights.values.view().slice(dim_, dim_); }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  Weights weights, bias;  // of the first layer: (2m, m), (m)
  Linear middle, top;

 private:
  Backend& backend_;
  int64_t dim_;  // m
};

}  // namespace mgqe

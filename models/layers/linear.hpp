// A dense layer, y = x W + b, with an optional ReLU.
#pragma once

#include "models/layers/weights.hpp"

namespace mgqe {

enum class Activation { kNone, kRelu };

class Linear {
 public:
  /// NAME.weights (in, out), NAME.bias (out).
  Linear(Backend& backend, const std::string& name, int64_t in, int64_t out, Activation activation);

  /// x (m, in) -> y (m, out).
  void forward(View<const float> x, View<float> y) const;
  /// x W alone, for an op that adds the bias beside other things.
  void multiply(View<const float> x, View<float> y) const;

  int64_t outputs() const { return bias.values.rows(); }
  Activation activation() const { return activation_; }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  Weights weights, bias;

 private:
  Backend& backend_;
  Activation activation_;
};

}  // namespace mgqe

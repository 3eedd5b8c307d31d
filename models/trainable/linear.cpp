#include "models/trainable/linear.hpp"

#include <cmath>

namespace mgqe {

TrainableLinear::TrainableLinear(Backend& backend, Linear& layer, const OptimizerOptions& options,
                                 uint64_t key)
    : backend_(backend),
      activation_(layer.activation()),
      weights_(backend, layer.weights, options),
      bias_(backend, layer.bias, options) {
  const Tensor<float>& weights = layer.weights.values;
  const float bound = std::sqrt(6.0f / static_cast<float>(weights.rows() + weights.cols()));
  backend.fill_uniform(weights, key, -bound, bound);
}

void TrainableLinear::backward(View<const float> x, View<const float> y, View<float> y_gradient,
                               View<float> x_gradient, bool accumulate) {
  if (activation_ == Activation::kRelu) backend_.relu_backward(y, y_gradient);
  backward_linear(x, y_gradient, x_gradient, accumulate);
}

void TrainableLinear::backward_linear(View<const float> x, View<const float> y_gradient,
                                      View<float> x_gradient, bool accumulate) {
  backend_.sum_rows(y_gradient, bias_.gradient);
  backward_product(x, y_gradient, x_gradient, accumulate);
}

void TrainableLinear::backward_product(View<const float> x, View<const float> y_gradient,
                                       View<float> x_gradient, bool accumulate) {
  backend_.matmul(transposed(x), y_gradient, weights_.gradient);
  if (x_gradient.data != nullptr)
    backend_.matmul(y_gradient, transposed(weights_.values()), x_gradient, accumulate);
}

void TrainableLinear::list(Trainables& arrays) { arrays.insert(arrays.end(), {&weights_, &bias_}); }

void TrainableLinear::visit(const TensorVisitor& visitor) {
  weights_.visit(visitor);
  bias_.visit(visitor);
}

}  // namespace mgqe

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
  backend_.matmul(transposed(x), y_gradient, weights_.gradient);
  backend_.sum_rows(y_gradient, bias_.gradient);
  if (x_gradient.data != nullptr)
    backend_.matmul(y_gradient, transposed(weights_.values()), x_gradient, accumulate);
}

void TrainableLinear::step(View<const StepState> state) {
  weights_.step(state);
  bias_.step(state);
}

void TrainableLinear::visit(const TensorVisitor& visitor) {
  weights_.visit(visitor);
  bias_.visit(visitor);
}

}  // namespace mgqe

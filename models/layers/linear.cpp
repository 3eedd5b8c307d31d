#include "models/layers/linear.hpp"

#include <cmath>

namespace mgqe {

Linear::Linear(Backend& backend, const std::string& name, int64_t in, int64_t out,
               Activation activation, const OptimizerOptions& options, uint64_t key)
    : backend_(backend),
      activation_(activation),
      weights_(backend, name + ".weights", in, out, options),
      bias_(backend, name + ".bias", out, 1, options),
      weight_gradient_(backend, in, out),
      bias_gradient_(backend, out) {
  const float bound = std::sqrt(6.0f / static_cast<float>(in + out));
  backend.fill_uniform(weights_.values, key, -bound, bound);
}

void Linear::forward(View<const float> x, View<float> y) {
  backend_.matmul(x, weights_.values, y);
  if (activation_ == Activation::kRelu)
    backend_.add_bias_relu(bias_.values, y);
  else
    backend_.add_bias(bias_.values, y);
}

void Linear::backward(View<const float> x, View<const float> y, View<float> y_gradient,
                      View<float> x_gradient, bool accumulate) {
  if (activation_ == Activation::kRelu) backend_.relu_backward(y, y_gradient);
  backend_.matmul(transposed(x), y_gradient, weight_gradient_);
  backend_.sum_rows(y_gradient, bias_gradient_);
  if (x_gradient.data != nullptr)
    backend_.matmul(y_gradient, transposed(weights_.values), x_gradient, accumulate);
}

void Linear::step(View<const StepState> state) {
  weights_.step(weight_gradient_, state);
  bias_.step(bias_gradient_, state);
}

void Linear::pack(ArrayMap& arrays) const {
  weights_.pack(arrays);
  bias_.pack(arrays);
}

void Linear::load(const ArrayMap& arrays) {
  weights_.load(arrays);
  bias_.load(arrays);
}

void Linear::visit(const TensorVisitor& visitor) {
  weights_.visit(visitor);
  bias_.visit(visitor);
}

}  // namespace mgqe

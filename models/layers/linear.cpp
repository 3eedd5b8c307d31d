#include "models/layers/linear.hpp"

namespace mgqe {

Linear::Linear(Backend& backend, const std::string& name, int64_t in, int64_t out,
               Activation activation)
    : weights(backend, name + ".weights", in, out),
      bias(backend, name + ".bias", out),
      backend_(backend),
      activation_(activation) {}

void Linear::forward(View<const float> x, View<float> y) const {
  multiply(x, y);
  if (activation_ == Activation::kRelu)
    backend_.add_bias_relu(bias.values, y);
  else
    backend_.add_bias(bias.values, y);
}

void Linear::multiply(View<const float> x, View<float> y) const {
  backend_.matmul(x, weights.values, y);
}

void Linear::pack(ArrayMap& arrays) const {
  weights.pack(arrays);
  bias.pack(arrays);
}

void Linear::load(const ArrayMap& arrays) {
  weights.load(arrays);
  bias.load(arrays);
}

}  // namespace mgqe

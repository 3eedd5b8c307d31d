#include "models/trainable/cross_network.hpp"

namespace mgqe {

TrainableCrossNetwork::TrainableCrossNetwork(Backend& backend, CrossNetwork& network,
                                             const OptimizerOptions& options, uint64_t key,
                                             int64_t max_rows)
    : backend_(backend),
      network_(network),
      product_gradient_(backend, network.layers.empty() ? 0 : max_rows, network.width()) {
  for (size_t l = 0; l < network.layers.size(); ++l)
    layers_.emplace_back(backend, network.layers[l], options, random_u64(key, l));
}

void TrainableCrossNetwork::backward(View<const float> x0, const CrossNetwork::Kept& kept,
                                     View<float> output_gradient, View<float> x0_gradient) {
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, x0.rows); };
  const View<float> product_gradient = rows(product_gradient_);
  backend_.zero(x0_gradient.data, static_cast<size_t>(x0_gradient.size()) * sizeof(float));
  for (size_t l = layers_.size(); l-- > 0;) {
    backend_.cross_backward(x0, rows(kept.products[l]), network_.layers[l].bias.values,
                            output_gradient, product_gradient, x0_gradient);
    const View<const float> x = l == 0 ? x0 : View<const float>(rows(kept.outputs[l - 1]));
    layers_[l].backward_linear(x, product_gradient, output_gradient, true);
  }
  backend_.add(x0_gradient, output_gradient, x0_gradient);
}

void TrainableCrossNetwork::list(Trainables& arrays) {
  for (TrainableLinear& layer : layers_) layer.list(arrays);
}

void TrainableCrossNetwork::visit(const TensorVisitor& visitor) {
  for (TrainableLinear& layer : layers_) layer.visit(visitor);
}

}  // namespace mgqe

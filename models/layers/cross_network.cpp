#include "models/layers/cross_network.hpp"

namespace mgqe {

CrossNetwork::CrossNetwork(Backend& backend, int64_t width, int layers)
    : backend_(backend), width_(width) {
  for (int l = 0; l < layers; ++l)
    this->layers.emplace_back(backend, "cross." + std::to_string(l), width, width,
                              Activation::kNone);
}

CrossNetwork::Kept::Kept(Backend& backend, const CrossNetwork& network, int64_t max_rows) {
  for (size_t l = 0; l < network.layers.size(); ++l) {
    products.emplace_back(backend, max_rows, network.width());
    outputs.emplace_back(backend, max_rows, network.width());
  }
}

View<const float> CrossNetwork::forward(View<const float> x0, Kept& kept) const {
  View<const float> x = x0;
  for (size_t l = 0; l < layers.size(); ++l) {
    const View<float> product = kept.products[l].view().slice(0, x0.rows);
    const View<float> out = kept.outputs[l].view().slice(0, x0.rows);
    layers[l].multiply(x, product);
    backend_.cross(x0, product, layers[l].bias.values, x, out);
    x = out;
  }
  return x;
}

void CrossNetwork::pack(ArrayMap& arrays) const {
  for (const Linear& layer : layers) layer.pack(arrays);
}

void CrossNetwork::load(const ArrayMap& arrays) {
  for (Linear& layer : layers) layer.load(arrays);
}

}  // namespace mgqe

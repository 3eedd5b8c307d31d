#include "models/layers/mlp.hpp"

namespace mgqe {

Mlp::Mlp(Backend& backend, const std::string& name, int64_t inputs,
         const std::vector<int64_t>& widths)
    : inputs_(inputs) {
  for (size_t l = 0; l < widths.size(); ++l)
    layers.emplace_back(backend, name + "." + std::to_string(l), l == 0 ? inputs : widths[l - 1],
                        widths[l], Activation::kRelu);
}

Mlp::Kept::Kept(Backend& backend, const Mlp& mlp, int64_t max_rows) {
  for (const Linear& layer : mlp.layers) outputs.emplace_back(backend, max_rows, layer.outputs());
}

View<const float> Mlp::forward(View<const float> x, Kept& kept) const {
  for (size_t l = 0; l < layers.size(); ++l) {
    const View<float> y = kept.outputs[l].view().slice(0, x.rows);
    layers[l].forward(x, y);
    x = y;
  }
  return x;
}

void Mlp::pack(ArrayMap& arrays) const {
  for (const Linear& layer : layers) layer.pack(arrays);
}

void Mlp::load(const ArrayMap& arrays) {
  for (Linear& layer : layers) layer.load(arrays);
}

}  // namespace mgqe

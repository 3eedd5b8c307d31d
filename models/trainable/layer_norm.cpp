#include "models/trainable/layer_norm.hpp"

namespace mgqe {

TrainableLayerNorm::TrainableLayerNorm(Backend& backend, LayerNorm& layer,
                                       const OptimizerOptions& options)
    : backend_(backend), gain_(backend, layer.gain, options), bias_(backend, layer.bias, options) {
  gain_.values().assign(std::vector<float>(static_cast<size_t>(gain_.values().size()), 1.0f));
}

void TrainableLayerNorm::backward(View<const float> x, View<const float> stats,
                                  View<const float> y_gradient, View<float> x_gradient,
                                  bool accumulate) {
  backend_.layer_norm_backward(x, gain_.values(), stats, y_gradient, x_gradient, accumulate,
                               gain_.gradient, bias_.gradient);
}

void TrainableLayerNorm::list(Trainables& arrays) { arrays.insert(arrays.end(), {&gain_, &bias_}); }

void TrainableLayerNorm::visit(const TensorVisitor& visitor) {
  gain_.visit(visitor);
  bias_.visit(visitor);
}

}  // namespace mgqe

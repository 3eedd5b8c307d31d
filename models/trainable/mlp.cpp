#include "models/trainable/mlp.hpp"

namespace mgqe {

TrainableMlp::TrainableMlp(Backend& backend, Mlp& mlp, const OptimizerOptions& options,
                           uint64_t key, int64_t max_rows) {
  for (size_t l = 0; l < mlp.layers.size(); ++l) {
    layers_.emplace_back(backend, mlp.layers[l], options, random_u64(key, l));
    if (l + 1 < mlp.layers.size())
      gradients_.emplace_back(backend, max_rows, mlp.layers[l].outputs());
  }
}

void TrainableMlp::backward(View<const float> x, const Mlp::Kept& kept, View<float> output_gradient,
                            View<float> x_gradient, bool accumulate) {
  View<float> gradient = output_gradient;
  for (size_t l = layers_.size(); l-- > 0;) {
    const View<const float> y = kept.outputs[l].view().slice(0, x.rows);
    if (l == 0) {
      layers_[l].backward(x, y, gradient, x_gradient, accumulate);
    } else {
      const View<float> before = gradients_[l - 1].view().slice(0, x.rows);
      layers_[l].backward(kept.outputs[l - 1].view().slice(0, x.rows), y, gradient, before);
      gradient = before;
    }
  }
}

void TrainableMlp::list(Trainables& arrays) {
  for (TrainableLinear& layer : layers_) layer.list(arrays);
}

void TrainableMlp::visit(const TensorVisitor& visitor) {
  for (TrainableLinear& layer : layers_) layer.visit(visitor);
}

}  // namespace mgqe

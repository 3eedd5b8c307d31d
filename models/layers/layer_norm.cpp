#include "models/layers/layer_norm.hpp"

namespace mgqe {
namespace {

constexpr float kEpsilon = 1e-8f;  // the SASRec authors'

}  // namespace

LayerNorm::LayerNorm(Backend& backend, const std::string& name, int64_t dim, int64_t max_rows,
                     const OptimizerOptions& options)
    : backend_(backend),
      gain_(backend, name + ".gain", dim, 1, options),
      bias_(backend, name + ".bias", dim, 1, options),
      gain_gradient_(backend, dim),
      bias_gradient_(backend, dim),
      stats_(backend, max_rows, 2) {
  gain_.values.assign(std::vector<float>(static_cast<size_t>(dim), 1.0f));
}

void LayerNorm::forward(View<const float> x, View<float> y) {
  backend_.layer_norm(x, gain_.values, bias_.values, kEpsilon, y, stats_.view().slice(0, x.rows));
}

void LayerNorm::backward(View<const float> x, View<const float> y_gradient, View<float> x_gradient,
                         bool accumulate) {
  backend_.layer_norm_backward(x, gain_.values, stats_.view().slice(0, x.rows), y_gradient,
                               x_gradient, accumulate, gain_gradient_, bias_gradient_);
}

void LayerNorm::step(View<const StepState> state) {
  gain_.step(gain_gradient_, state);
  bias_.step(bias_gradient_, state);
}

void LayerNorm::pack(ArrayMap& arrays) const {
  gain_.pack(arrays);
  bias_.pack(arrays);
}

void LayerNorm::load(const ArrayMap& arrays) {
  gain_.load(arrays);
  bias_.load(arrays);
}

void LayerNorm::visit(const TensorVisitor& visitor) {
  gain_.visit(visitor);
  bias_.visit(visitor);
}

}  // namespace mgqe

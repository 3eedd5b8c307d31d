#include "models/layers/layer_norm.hpp"

namespace mgqe {
namespace {

constexpr float kEpsilon = 1e-8f;  // the SASRec authors'

}  // namespace

LayerNorm::LayerNorm(Backend& backend, const std::string& name, int64_t dim)
    : gain(backend, name + ".gain", dim), bias(backend, name + ".bias", dim), backend_(backend) {}

void LayerNorm::forward(View<const float> x, View<float> y, View<float> stats) const {
  backend_.layer_norm(x, gain.values, bias.values, kEpsilon, y, stats);
}

void LayerNorm::pack(ArrayMap& arrays) const {
  gain.pack(arrays);
  bias.pack(arrays);
}

void LayerNorm::load(const ArrayMap& arrays) {
  gain.load(arrays);
  bias.load(arrays);
}

}  // namespace mgqe

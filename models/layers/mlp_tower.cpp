#include "models/layers/mlp_tower.hpp"

namespace mgqe {

TowerActivations::TowerActivations(Backend& backend, int64_t dim, int64_t max_pairs)
    : left(backend, max_pairs, dim),
      right(backend, max_pairs, dim),
      first(backend, max_pairs, dim),
      second(backend, max_pairs, MlpTower::middle_width(dim)),
      third(backend, max_pairs, MlpTower::top_width(dim)) {}

MlpTower::MlpTower(Backend& backend, int64_t dim)
    : weights(backend, "mlp.0.weights", 2 * dim, dim),
      bias(backend, "mlp.0.bias", dim),
      middle(backend, "mlp.1", dim, middle_width(dim), Activation::kRelu),
      top(backend, "mlp.2", middle_width(dim), top_width(dim), Activation::kRelu),
      backend_(backend),
      dim_(dim) {}

View<const float> MlpTower::forward(Lookup left, Lookup right, int64_t pairs,
                                    TowerActivations& kept) const {
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, pairs); };
  const View<float> first = rows(kept.first);
  backend_.gather(left.rows, left.index, rows(kept.left));
  backend_.gather(right.rows, right.index, rows(kept.right));
  backend_.matmul(rows(kept.left), left_weights(), first);
  backend_.matmul(rows(kept.right), right_weights(), first, true);
  backend_.add_bias_relu(bias.values, first);
  finish(first, rows(kept.second), rows(kept.third));
  return rows(kept.third);
}

void MlpTower::project_left(View<const float> rows, View<float> out) const {
  backend_.matmul(rows, left_weights(), out);
  backend_.add_bias(bias.values, out);
}

void MlpTower::project_right(View<const float> rows, View<float> out) const {
  backend_.matmul(rows, right_weights(), out);
}

void MlpTower::finish(View<const float> first, View<float> second, View<float> third) const {
  middle.forward(first, second);
  top.forward(second, third);
}

void MlpTower::pack(ArrayMap& arrays) const {
  weights.pack(arrays);
  bias.pack(arrays);
  middle.pack(arrays);
  top.pack(arrays);
}

void MlpTower::load(const ArrayMap& arrays) {
  weights.load(arrays);
  bias.load(arrays);
  middle.load(arrays);
  top.load(arrays);
}

}  // namespace mgqe

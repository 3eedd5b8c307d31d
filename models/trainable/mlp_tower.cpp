#include "models/trainable/mlp_tower.hpp"

#include <cmath>

namespace mgqe {

TrainableMlpTower::TrainableMlpTower(Backend& backend, MlpTower& tower,
                                     const OptimizerOptions& options,
                                     const std::array<uint64_t, 3>& keys, int64_t max_pairs)
    : backend_(backend),
      tower_(tower),
      weights_(backend, tower.weights, options),
      bias_(backend, tower.bias, options),
      middle_(backend, tower.middle, options, keys[1]),
      top_(backend, tower.top, options, keys[2]),
      first_gradient_(backend, max_pairs, tower.dim()),
      second_gradient_(backend, max_pairs, tower.middle.outputs()) {
  const float bound = std::sqrt(6.0f / static_cast<float>(3 * tower.dim()));  // Glorot uniform
  backend.fill_uniform(tower.weights.values, keys[0], -bound, bound);
}

void TrainableMlpTower::backward(int64_t pairs, const TowerActivations& kept,
                                 View<float> output_gradient, View<float> left_gradient,
                                 View<float> right_gradient) {
  const auto rows = [&](const Tensor<float>& buffer) { return buffer.view().slice(0, pairs); };
  const View<float> first = rows(kept.first), second = rows(kept.second);
  const View<float> first_gradient = rows(first_gradient_);
  top_.backward(second, rows(kept.third), output_gradient, rows(second_gradient_));
  middle_.backward(first, second, rows(second_gradient_), first_gradient);
  backend_.relu_backward(first, first_gradient);
  const int64_t dim = tower_.dim();
  backend_.matmul(transposed(rows(kept.left)), first_gradient,
                  weights_.gradient.view().slice(0, dim));
  backend_.matmul(transposed(rows(kept.right)), first_gradient,
                  weights_.gradient.view().slice(dim, dim));
  backend_.sum_rows(first_gradient, bias_.gradient);
  backend_.matmul(first_gradient, transposed(tower_.left_weights()), left_gradient);
  backend_.matmul(first_gradient, transposed(tower_.right_weights()), right_gradient);
}

void TrainableMlpTower::list(Trainables& arrays) {
  arrays.insert(arrays.end(), {&weights_, &bias_});
  middle_.list(arrays);
  top_.list(arrays);
}

void TrainableMlpTower::visit(const TensorVisitor& visitor) {
  weights_.visit(visitor);
  bias_.visit(visitor);
  middle_.visit(visitor);
  top_.visit(visitor);
}

}  // namespace mgqe

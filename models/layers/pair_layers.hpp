// What GMF and NeuMF compute from the rows of a pair, from their weights alone.
#pragma once

#include "models/layers/mlp_tower.hpp"

namespace mgqe {

/// Generalized matrix factorization (He et al. 2017, section 3.2):
///   logit(u, i) = sum_c w_c p_uc q_ic + bias.
class GmfLayer {
 public:
  /// "gmf.weights" (d + 1), the bias last.
  GmfLayer(Backend& backend, int64_t dim)
      : weights(backend, "gmf.weights", dim + 1), backend_(backend) {}

  void forward(Lookup left, Lookup right, View<float> logits) const {
    backend_.gmf_forward(left, right, weights.values, logits);
  }
  /// w, without the bias.
  View<float> products() const { return weights.values.view().slice(0, weights.values.rows() - 1); }

  Weights weights;

 private:
  Backend& backend_;
};

/// The perceptron half of NeuMF: logit = v . h_3.
class MlpLayers {
 public:
  /// dim: m. The tower's arrays and "mlp.output" (m/4), which is v.
  MlpLayers(Backend& backend, int64_t dim)
      : tower(backend, dim),
        output(backend, "mlp.output", MlpTower::top_width(dim)),
        backend_(backend) {}

  /// logits (B), += with accumulate.
  void forward(Lookup left, Lookup right, bool accumulate, View<float> logits,
               TowerActivations& kept) const {
    const View<const float> hidden = tower.forward(left, right, logits.size(), kept);
    backend_.matmul(hidden, output.values, logits, accumulate);
  }

  MlpTower tower;
  Weights output;

 private:
  Backend& backend_;
};

}  // namespace mgqe

// A stack of dense layers with a ReLU each.
#pragma once

#include <vector>

#include "models/layers/linear.hpp"

namespace mgqe {

class Mlp {
 public:
  /// NAME.0.weights (inputs, widths[0]), NAME.0.bias, NAME.1.weights, ...; without widths it passes
  /// what it is given.
  Mlp(Backend& backend, const std::string& name, int64_t inputs,
      const std::vector<int64_t>& widths);

  /// What a backward needs: the layers' outputs, of up to max_rows rows.
  struct Kept {
    Kept(Backend& backend, const Mlp& mlp, int64_t max_rows);
    std::vector<Tensor<float>> outputs;  // (max_rows, width)
  };
  /// x (m, inputs) -> (m, outputs()), which lies in `kept`.
  View<const float> forward(View<const float> x, Kept& kept) const;

  int64_t outputs() const { return layers.empty() ? inputs_ : layers.back().outputs(); }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  std::vector<Linear> layers;

 private:
  int64_t inputs_;
};

}  // namespace mgqe

// Layer normalization with a learned gain and bias (Ba et al. 2016).
#pragma once

#include "models/layers/weights.hpp"

namespace mgqe {

class LayerNorm {
 public:
  /// NAME.gain (d), NAME.bias (d).
  LayerNorm(Backend& backend, const std::string& name, int64_t dim);

  /// x (m, d) -> y (m, d); stats (m, 2) is what a backward needs of it.
  void forward(View<const float> x, View<float> y, View<float> stats) const;

  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  Weights gain, bias;

 private:
  Backend& backend_;
};

}  // namespace mgqe

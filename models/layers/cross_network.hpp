// The cross network of DCN-V2 (Wang et al. 2021, eq. 1): x_{l+1} = x_0 * (x_l W_l + b_l) + x_l.
#pragma once

#include <vector>

#include "models/layers/linear.hpp"

namespace mgqe {

class CrossNetwork {
 public:
  /// "cross.0.weights" (width, width), "cross.0.bias" (width), "cross.1.weights", ...
  CrossNetwork(Backend& backend, int64_t width, int layers);

  /// What a backward needs, of up to max_rows rows.
  struct Kept {
    Kept(Backend& backend, const CrossNetwork& network, int64_t max_rows);
    std::vector<Tensor<float>> products;  // (max_rows, width): x_l W_l
    std::vector<Tensor<float>> outputs;   // (max_rows, width): x_{l+1}
  };
  /// x_0 (m, width) -> x_L (m, width), which lies in `kept`.
  View<const float> forward(View<const float> x0, Kept& kept) const;

  int64_t width() const { return width_; }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  std::vector<Linear> layers;

 private:
  Backend& backend_;
  int64_t width_;
};

}  // namespace mgqe

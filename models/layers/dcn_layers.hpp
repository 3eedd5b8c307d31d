// DCN-V2 (Wang et al. 2021), its parallel form: a cross network beside a deep one, and a logit from
// the outputs of both. Without cross layers it is a deep network; without hidden ones a cross
// network.
#pragma once

#include <vector>

#include "models/layers/cross_network.hpp"
#include "models/layers/ctr_forward.hpp"
#include "models/layers/mlp.hpp"

namespace mgqe {

class DcnLayers final : public CtrForward {
 public:
  /// The arrays of CrossNetwork, "deep.0.weights", ..., "output.weights" (cross width + deep width)
  /// and "output.bias" (1).
  DcnLayers(Backend& backend, const CtrSizes& sizes, int cross_layers,
            const std::vector<int64_t>& hidden, int64_t max_rows);

  void forward(View<const float> x, View<const float> dense, View<float> logits) override;
  void pack(ArrayMap& arrays) const override;
  void load(const ArrayMap& arrays) override;

  bool crosses() const { return !cross.layers.empty(); }
  bool has_deep() const { return !deep.layers.empty(); }
  /// Of output.weights, those of the cross network (width, 1) and of the deep one (width, 1).
  View<float> cross_part() const { return output.values.view().slice(0, cross_width()); }
  View<float> deep_part() const { return output.values.view().slice(cross_width(), deep_width()); }
  int64_t cross_width() const { return crosses() ? cross.width() : 0; }
  int64_t deep_width() const { return has_deep() ? deep.outputs() : 0; }

  CrossNetwork cross;
  Mlp deep;
  Weights output, bias;

  CrossNetwork::Kept cross_kept;
  Mlp::Kept deep_kept;
  View<const float> input, crossed, hidden;  // of the last forward: x_0 with the dense numbers, ...

 private:
  Backend& backend_;
  Tensor<float> joined_;  // (B, C d + F), where there are dense numbers
};

}  // namespace mgqe

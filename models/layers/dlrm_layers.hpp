// DLRM (Naumov et al. 2019): dense numbers pass layers of their own to become one more vector; the
// dot products of every two vectors, and that vector, pass the layers on top, and a logit follows.
#pragma once

#include <optional>
#include <vector>

#include "models/layers/ctr_forward.hpp"
#include "models/layers/mlp.hpp"

namespace mgqe {

class DlrmLayers final : public CtrForward {
 public:
  /// "bottom.0.weights", ... where there are dense numbers, "top.0.weights", ..., "output.weights"
  /// and "output.bias" (1). bottom: widths before the last layer, which gives d.
  DlrmLayers(Backend& backend, const CtrSizes& sizes, std::vector<int64_t> bottom,
             const std::vector<int64_t>& hidden, int64_t max_rows);

  void forward(View<const float> x, View<const float> dense, View<float> logits) override;
  void pack(ArrayMap& arrays) const override;
  void load(const ArrayMap& arrays) override;

  int64_t dim() const { return sizes_.dim; }
  int64_t feature_columns() const { return sizes_.features * sizes_.dim; }
  int64_t products() const { return vectors_of(sizes_) * (vectors_of(sizes_) - 1) / 2; }
  bool has_dense() const { return sizes_.dense > 0; }

 private:
  static int64_t vectors_of(const CtrSizes& sizes) {
    return sizes.features + (sizes.dense > 0 ? 1 : 0);
  }

  Backend& backend_;
  CtrSizes sizes_;

 public:
  Mlp bottom, top;
  Weights output, bias;

  Mlp::Kept bottom_kept, top_kept;
  View<const float> vectors, top_input, hidden;  // of the last forward

 private:
  Tensor<float> joined_, top_inputs_;  // (B, (C + 1) d), where there are dense numbers; (B, P + d)
};

}  // namespace mgqe

#include "models/layers/dcn_layers.hpp"

namespace mgqe {

DcnLayers::DcnLayers(Backend& backend, const CtrSizes& sizes, int cross_layers,
                     const std::vector<int64_t>& widths, int64_t max_rows)
    : cross(backend, sizes.features * sizes.dim + sizes.dense, cross_layers),
      deep(backend, "deep", cross.width(), widths),
      output(backend, "output.weights", cross_width() + deep_width()),
      bias(backend, "output.bias", 1),
      cross_kept(backend, cross, max_rows),
      deep_kept(backend, deep, max_rows),
      backend_(backend) {
  if (sizes.dense > 0) joined_ = Tensor<float>(backend, max_rows, cross.width());
}

void DcnLayers::forward(View<const float> x, View<const float> dense, View<float> logits) {
  input = x;
  if (joined_.rows() > 0) {
    const View<float> joined = joined_.view().slice(0, x.rows);
    backend_.put_columns(x, 0, joined);
    backend_.put_columns(dense, x.cols, joined);
    input = joined;
  }
  if (crosses()) {
    crossed = cross.forward(input, cross_kept);
    backend_.matmul(crossed, cross_part(), logits);
  }
  if (has_deep()) {
    hidden = deep.forward(input, deep_kept);
    backend_.matmul(hidden, deep_part(), logits, crosses());
  }
  backend_.add_bias(bias.values, logits);
}

void DcnLayers::pack(ArrayMap& arrays) const {
  cross.pack(arrays);
  deep.pack(arrays);
  output.pack(arrays);
  bias.pack(arrays);
}

void DcnLayers::load(const ArrayMap& arrays) {
  cross.load(arrays);
  deep.load(arrays);
  output.load(arrays);
  bias.load(arrays);
}

}  // namespace mgqe

#include "models/layers/dlrm_layers.hpp"

namespace mgqe {
namespace {

std::vector<int64_t> bottom_widths(std::vector<int64_t> widths, const CtrSizes& sizes) {
  if (sizes.dense == 0) return {};
  widths.push_back(sizes.dim);
  return widths;
}

}  // namespace

DlrmLayers::DlrmLayers(Backend& backend, const CtrSizes& sizes, std::vector<int64_t> bottom_before,
                       const std::vector<int64_t>& widths, int64_t max_rows)
    : backend_(backend),
      sizes_(sizes),
      bottom(backend, "bottom", sizes.dense, bottom_widths(std::move(bottom_before), sizes)),
      top(backend, "top", products() + (has_dense() ? sizes.dim : 0), widths),
      output(backend, "output.weights", top.outputs()),
      bias(backend, "output.bias", 1),
      bottom_kept(backend, bottom, max_rows),
      top_kept(backend, top, max_rows),
      joined_(backend, has_dense() ? max_rows : 0, feature_columns() + sizes.dim),
      top_inputs_(backend, max_rows, products() + (has_dense() ? sizes.dim : 0)) {}

void DlrmLayers::forward(View<const float> x, View<const float> dense, View<float> logits) {
  vectors = x;
  const View<float> input = top_inputs_.view().slice(0, x.rows);
  if (has_dense()) {
    const View<const float> last = bottom.forward(dense, bottom_kept);
    const View<float> joined = joined_.view().slice(0, x.rows);
    backend_.put_columns(x, 0, joined);
    backend_.put_columns(last, feature_columns(), joined);
    vectors = joined;
    backend_.put_columns(last, products(), input);
  }
  backend_.dot_pairs(vectors, dim(), input);
  top_input = input;
  hidden = top.forward(input, top_kept);
  backend_.matmul(hidden, output.values, logits);
  backend_.add_bias(bias.values, logits);
}

void DlrmLayers::pack(ArrayMap& arrays) const {
  bottom.pack(arrays);
  top.pack(arrays);
  output.pack(arrays);
  bias.pack(arrays);
}

void DlrmLayers::load(const ArrayMap& arrays) {
  bottom.load(arrays);
  top.load(arrays);
  output.load(arrays);
  bias.load(arrays);
}

}  // namespace mgqe

#include "models/backbones/dlrm.hpp"

#include <cmath>

#include "models/backbones/ctr_model.hpp"
#include "models/layers/dlrm_layers.hpp"
#include "models/trainable/mlp.hpp"

namespace mgqe {
namespace {

std::unique_ptr<DlrmLayers> make_layers(Backend& backend, const Config& config,
                                        const FeatureLayout& layout, int64_t max_rows) {
  const CtrSizes sizes = ctr_sizes(config, layout);
  if (sizes.features + (sizes.dense > 0 ? 1 : 0) < 2)
    input_error(
        "--model dlrm multiplies vectors two by two, and the data has one field alone: "
        "choose --model dcn");
  return std::make_unique<DlrmLayers>(backend, sizes, layer_widths(config.model.bottom, "--bottom"),
                                      layer_widths(config.model.hidden, "--hidden"), max_rows);
}

class Dlrm final : public CtrInteraction {
 public:
  Dlrm(Backend& backend, const Config& config, const FeatureLayout& layout)
      : backend_(backend),
        layers_(make_layers(backend, config, layout, config.train.batch)),
        options_(optimizer_options(config.train)),
        bottom_(backend, layers_->bottom, options_, dense_key(config, 0), config.train.batch),
        top_(backend, layers_->top, options_, dense_key(config, 1), config.train.batch),
        output_(backend, layers_->output, options_),
        bias_(backend, layers_->bias, options_),
        hidden_gradient_(backend, config.train.batch, layers_->top.outputs()),
        top_gradient_(backend, config.train.batch,
                      layers_->products() + (layers_->has_dense() ? layers_->dim() : 0)),
        vector_gradient_(backend, layers_->has_dense() ? config.train.batch : 0,
                         layers_->feature_columns() + layers_->dim()),
        last_gradient_(backend, layers_->has_dense() ? config.train.batch : 0, layers_->dim()),
        product_part_(backend, layers_->has_dense() ? config.train.batch : 0, layers_->dim()) {
    const float bound = std::sqrt(6.0f / static_cast<float>(layers_->output.values.rows() + 1));
    backend.fill_uniform(layers_->output.values, dense_key(config, 2), -bound, bound);
    bottom_.list(dense_);
    top_.list(dense_);
    dense_.insert(dense_.end(), {&output_, &bias_});
  }

  void forward(View<const float> x, View<const float> dense, View<float> logits) override {
    layers_->forward(x, dense, logits);
    dense_input_ = dense;
  }

  void backward(View<const float> logit_gradient, View<float> x_gradient) override {
    const auto rows = [&](const Tensor<float>& buffer) {
      return buffer.view().slice(0, logit_gradient.rows);
    };
    const View<float> hidden = rows(hidden_gradient_);
    backend_.sum_rows(logit_gradient, bias_.gradient);
    backend_.matmul(transposed(layers_->hidden), logit_gradient, output_.gradient);
    backend_.matmul(logit_gradient, transposed(layers_->output.values), hidden);
    View<float> input = hidden;  // where there is no layer on top
    if (!layers_->top.layers.empty()) {
      input = rows(top_gradient_);
      top_.backward(layers_->top_input, layers_->top_kept, hidden, input, false);
    }
    if (!layers_->has_dense())
      return backend_.dot_pairs_backward(layers_->vectors, layers_->dim(), input, x_gradient);
    const View<float> vectors = rows(vector_gradient_), last = rows(last_gradient_);
    backend_.dot_pairs_backward(layers_->vectors, layers_->dim(), input, vectors);
    backend_.take_columns(vectors, 0, x_gradient);
    // The dense numbers' vector stands in products and beside them.
    backend_.take_columns(vectors, layers_->feature_columns(), last);
    backend_.take_columns(input, layers_->products(), rows(product_part_));
    backend_.add(last, rows(product_part_), last);
    bottom_.backward(dense_input_, layers_->bottom_kept, last, {}, false);
  }

  void step(View<const StepState> state) override { step_together(dense_, state); }
  void pack(ArrayMap& arrays) const override { layers_->pack(arrays); }
  void visit(const TensorVisitor& visitor) override {
    bottom_.visit(visitor);
    top_.visit(visitor);
    output_.visit(visitor);
    bias_.visit(visitor);
  }

 private:
  Backend& backend_;
  std::unique_ptr<DlrmLayers> layers_;
  OptimizerOptions options_;
  TrainableMlp bottom_, top_;
  Trainable output_, bias_;
  Trainables dense_;
  View<const float> dense_input_;  // of the last forward
  Tensor<float> hidden_gradient_;  // (B, top width)
  Tensor<float> top_gradient_;     // (B, P [+ d])
  // Where there are dense numbers:
  Tensor<float> vector_gradient_;               // (B, (C + 1) d)
  Tensor<float> last_gradient_, product_part_;  // (B, d)
};

}  // namespace

const Backbone kDlrm = ctr_backbone(
    "dlrm", {"hidden", "bottom"},
    [](const Config& config) {
      layer_widths(config.model.hidden, "--hidden");
      layer_widths(config.model.bottom, "--bottom");
    },
    [](Backend& backend, const Config& config,
       const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<CtrModel>(backend, config, catalogue,
                                        std::make_unique<Dlrm>(backend, config, *catalogue.layout));
    },
    [](Backend& backend, const Config& config, const FeatureLayout& layout,
       const DevicePackedModel& model) -> std::unique_ptr<CtrScorer> {
      return std::make_unique<CtrTableScorer>(
          backend, scored_groups(layout, model), model,
          make_layers(backend, config, layout, CtrTableScorer::kMaxRows));
    });

}  // namespace mgqe

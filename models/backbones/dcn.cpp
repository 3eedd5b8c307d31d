#include "models/backbones/dcn.hpp"

#include <cmath>

#include "models/backbones/ctr_model.hpp"
#include "models/layers/dcn_layers.hpp"
#include "models/trainable/cross_network.hpp"
#include "models/trainable/mlp.hpp"

namespace mgqe {
namespace {

std::unique_ptr<DcnLayers> make_layers(Backend& backend, const Config& config,
                                       const FeatureLayout& layout, int64_t max_rows) {
  return std::make_unique<DcnLayers>(backend, ctr_sizes(config, layout), config.model.cross_layers,
                                     layer_widths(config.model.hidden, "--hidden"), max_rows);
}

class Dcn final : public CtrInteraction {
 public:
  Dcn(Backend& backend, const Config& config, const FeatureLayout& layout)
      : backend_(backend),
        layers_(make_layers(backend, config, layout, config.train.batch)),
        options_(optimizer_options(config.train)),
        cross_(backend, layers_->cross, options_, dense_key(config, 0), config.train.batch),
        deep_(backend, layers_->deep, options_, dense_key(config, 1), config.train.batch),
        output_(backend, layers_->output, options_),
        bias_(backend, layers_->bias, options_),
        feature_columns_(layout.features * config.embedding.dim),
        input_gradient_(backend, config.train.batch, layers_->cross.width()),
        crossed_gradient_(backend, layers_->crosses() ? config.train.batch : 0,
                          layers_->cross.width()),
        hidden_gradient_(backend, layers_->has_deep() ? config.train.batch : 0,
                         layers_->deep.outputs()) {
    const float bound = std::sqrt(6.0f / static_cast<float>(layers_->output.values.rows() + 1));
    backend.fill_uniform(layers_->output.values, dense_key(config, 2), -bound, bound);
    cross_.list(dense_);
    deep_.list(dense_);
    dense_.insert(dense_.end(), {&output_, &bias_});
  }

  void forward(View<const float> x, View<const float> dense, View<float> logits) override {
    layers_->forward(x, dense, logits);
  }

  void backward(View<const float> logit_gradient, View<float> x_gradient) override {
    const int64_t rows = logit_gradient.rows;
    // Without dense numbers the input is the features' vectors themselves.
    const bool joined = layers_->input.cols != feature_columns_;
    const View<float> gradient = joined ? input_gradient_.view().slice(0, rows) : x_gradient;
    backend_.sum_rows(logit_gradient, bias_.gradient);
    if (layers_->crosses()) {
      const View<float> crossed = crossed_gradient_.view().slice(0, rows);
      through_output(logit_gradient, layers_->crossed, layers_->cross_part(), 0, crossed);
      cross_.backward(layers_->input, layers_->cross_kept, crossed, gradient);
    }
    if (layers_->has_deep()) {
      const View<float> hidden = hidden_gradient_.view().slice(0, rows);
      through_output(logit_gradient, layers_->hidden, layers_->deep_part(), layers_->cross_width(),
                     hidden);
      deep_.backward(layers_->input, layers_->deep_kept, hidden, gradient, layers_->crosses());
    }
    if (joined) backend_.take_columns(gradient, 0, x_gradient);
  }

  void step(View<const StepState> state) override { step_together(dense_, state); }
  void pack(ArrayMap& arrays) const override { layers_->pack(arrays); }
  void visit(const TensorVisitor& visitor) override {
    cross_.visit(visitor);
    deep_.visit(visitor);
    output_.visit(visitor);
    bias_.visit(visitor);
  }

 private:
  /// Of the logit's part x weights: the gradient of its weights, from row `first` of them all, and
  /// of x.
  void through_output(View<const float> logit_gradient, View<const float> x, View<float> weights,
                      int64_t first, View<float> x_gradient) {
    backend_.matmul(transposed(x), logit_gradient,
                    output_.gradient.view().slice(first, weights.rows));
    backend_.matmul(logit_gradient, transposed(weights), x_gradient);
  }

  Backend& backend_;
  std::unique_ptr<DcnLayers> layers_;
  OptimizerOptions options_;
  TrainableCrossNetwork cross_;
  TrainableMlp deep_;
  Trainable output_, bias_;
  Trainables dense_;
  int64_t feature_columns_;
  Tensor<float> input_gradient_;    // (B, C d + F)
  Tensor<float> crossed_gradient_;  // (B, C d + F)
  Tensor<float> hidden_gradient_;   // (B, width)
};

}  // namespace

const Backbone kDcn = ctr_backbone(
    "dcn", {"cross_layers", "hidden"},
    [](const Config& config) {
      if (config.model.cross_layers < 0 || config.model.cross_layers > 16)
        input_error("--cross-layers ", config.model.cross_layers, " is out of range: 0 to 16");
      if (layer_widths(config.model.hidden, "--hidden").empty() && config.model.cross_layers == 0)
        input_error("--cross-layers 0 with --hidden 0 leaves no layer: give either");
    },
    [](Backend& backend, const Config& config,
       const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<CtrModel>(backend, config, catalogue,
                                        std::make_unique<Dcn>(backend, config, *catalogue.layout));
    },
    [](Backend& backend, const Config& config, const FeatureLayout& layout,
       const DevicePackedModel& model) -> std::unique_ptr<CtrScorer> {
      return std::make_unique<CtrTableScorer>(
          backend, scored_groups(layout, model), model,
          make_layers(backend, config, layout, CtrTableScorer::kMaxRows));
    });

}  // namespace mgqe

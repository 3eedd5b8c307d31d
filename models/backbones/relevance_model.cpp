#include "models/backbones/relevance_model.hpp"

#include <algorithm>

#include "host/engine/profile_range.hpp"

namespace mgqe {
namespace {

constexpr const char* kBiases = "relevance.biases";
constexpr const char* kMean = "relevance.mean";
constexpr int64_t kScoreChunk = 8192;  // pairs scored at a time: bounds scratch memory

}  // namespace

RelevancePredictor::RelevancePredictor(Backend& backend, std::unique_ptr<Interaction> interaction,
                                       int64_t max_pairs)
    : backend_(backend),
      interaction_(std::move(interaction)),
      copies_(interaction_->symmetric() ? 1 : 2),
      logits_(backend, copies_ * max_pairs),
      logit_gradient_(backend, copies_ * max_pairs),
      average_(backend, std::vector<float>(static_cast<size_t>(copies_), 1.0f / copies_)) {
  left_.resize(interaction_->tables().size());
  right_.resize(interaction_->tables().size());
  if (copies_ == 1) return;
  for (const TableSpec& table : interaction_->tables()) {
    swapped_index_.emplace_back(backend, 2 * max_pairs);
    swapped_gradients_.emplace_back(backend, 2 * max_pairs, table.dim);
  }
}

void RelevancePredictor::forward(Side items, View<float> predictions) {
  const int64_t pairs = predictions.size();
  for (size_t t = 0; t < items.size(); ++t) {
    const auto& [rows, index] = items[t];
    if (copies_ == 1) {
      left_[t] = {rows, index.slice(0, pairs)};
      right_[t] = {rows, index.slice(pairs, pairs)};
    } else {
      const View<int32_t> swapped = swapped_index_[t].view().slice(0, 2 * pairs);
      backend_.concatenate(index.slice(pairs, pairs), index.slice(0, pairs), swapped);
      left_[t] = {rows, index};
      right_[t] = {rows, swapped};
    }
  }
  const View<float> logits = logits_.view().slice(0, copies_ * pairs);
  interaction_->forward(left_, right_, logits);
  backend_.matmul(transposed(average_), View<float>(logits.data, copies_, pairs),
                  View<float>(predictions.data, 1, pairs));
}

void RelevancePredictor::backward(View<const float> gradient, SideGradient gradients) {
  const int64_t pairs = gradient.size();
  const View<float> logit_gradient = logit_gradient_.view().slice(0, copies_ * pairs);
  backend_.matmul(average_, View<const float>(gradient.data, 1, pairs),
                  View<float>(logit_gradient.data, copies_, pairs));
  std::vector<View<float>> left, right;
  for (size_t t = 0; t < gradients.size(); ++t) {
    left.push_back(copies_ == 1 ? gradients[t].slice(0, pairs) : gradients[t]);
    right.push_back(copies_ == 1 ? gradients[t].slice(pairs, pairs)
                                 : swapped_gradients_[t].view().slice(0, 2 * pairs));
  }
  interaction_->backward(left_, right_, logit_gradient, left, right);
  if (copies_ == 1) return;
  for (size_t t = 0; t < gradients.size(); ++t) {
    const View<float> first = left[t].slice(0, pairs), second = left[t].slice(pairs, pairs);
    backend_.add(first, right[t].slice(pairs, pairs), first);
    backend_.add(second, right[t].slice(0, pairs), second);
  }
}

RelevanceModel::RelevanceModel(Backend& backend, const Config& config, const Catalogue& catalogue,
                               MakeInteraction make_interaction)
    : backend_(backend),
      backbone_(config.model.name),
      mean_(static_cast<float>(catalogue.mean_target)),
      predictor_(backend, make_interaction(backend, config, 2 * config.train.batch),
                 config.train.batch),
      items_(backend, config, predictor_.interaction().tables(), "item", catalogue.items,
             2 * config.train.batch),
      biases_(backend, kBiases, RowSharding::whole(catalogue.items), 1,
              optimizer_options(config.train)),
      ids_(backend, [&] { return Tensor<int32_t>(backend, 2 * config.train.batch); }),
      predictions_(backend, config.train.batch),
      losses_(backend, config.train.batch),
      gradient_(backend, config.train.batch),
      bias_gradient_(backend, 2 * config.train.batch),
      ones_(backend, std::vector<float>{1.0f, 1.0f}) {}

void RelevanceModel::prepare(Backend& on, const Batch& batch) {
  const auto& [left, right, targets] = batch.pairs;
  const View<int32_t> ids = ids_.turn().view().slice(0, 2 * targets.size());
  on.concatenate(left, right, ids);
  items_.prepare(on, ids, 2 * batch.examples);
}

void RelevanceModel::train_step(const Batch& batch, View<const StepState> state,
                                View<double> loss_sum) {
  const auto& [left, right, targets] = batch.pairs;
  const int64_t pairs = targets.size();
  const View<float> predictions = predictions_.view().slice(0, pairs);
  const View<float> losses = losses_.view().slice(0, pairs);
  const View<float> gradient = gradient_.view().slice(0, pairs);
  const View<float> bias_gradient = bias_gradient_.view().slice(0, 2 * pairs);

  ProfileRange range(backend_, "forward");
  items_.send_rows();
  predictor_.forward(items_.forward(), predictions);
  backend_.add_item_biases(biases_.values, mean_, left, right, predictions);
  backend_.squared_loss(predictions, targets, 1.0f / static_cast<float>(batch.examples), losses,
                        gradient);
  backend_.accumulate(losses, loss_sum);
  range.next("backward");
  predictor_.backward(gradient, items_.gradients());
  backend_.matmul(ones_, View<const float>(gradient.data, 1, pairs),
                  View<float>(bias_gradient.data, 2, pairs));
  const std::vector<int> tables = predictor_.interaction().part_tables();
  items_.send_gradients(tables);
  range.next("optimizer");
  items_.backward(tables, state);
  biases_.step(items_.unique(), bias_gradient, state, items_.rank_rows());
  predictor_.interaction().step(state);
}

PackedModel RelevanceModel::pack() {
  PackedModel packed;
  packed.backbone = backbone_;
  packed.task = "relevance";
  items_.pack(packed);
  predictor_.interaction().pack(packed.dense);
  biases_.pack(packed.dense);
  packed.dense.emplace(kMean, HostArray(std::vector<float>{mean_}, {1}));
  return packed;
}

std::map<std::string, std::vector<TierReport>> RelevanceModel::tier_reports() const {
  std::map<std::string, std::vector<TierReport>> reports;
  items_.tier_reports(reports);
  return reports;
}

void RelevanceModel::visit(const TensorVisitor& visitor) {
  items_.visit(visitor);
  biases_.visit(visitor);
  predictor_.interaction().visit(visitor);
}

RelevanceScorer::RelevanceScorer(Backend& backend, const PackedModel& model,
                                 MakeInteraction make_interaction)
    : backend_(backend),
      biases_(backend, packed_array(model, kBiases)),
      mean_(packed_array(model, kMean).front()),
      ids_(backend, 2 * kScoreChunk) {
  const Config config = served_config(model);
  std::unique_ptr<Interaction> interaction = make_interaction(backend, config, 2 * kScoreChunk);
  interaction->load(model.dense);
  for (const TableSpec& spec : interaction->tables())
    tables_.push_back(decode_table(backend, packed_table(model, spec.prefix + "item")));
  predictor_ = std::make_unique<RelevancePredictor>(backend, std::move(interaction), kScoreChunk);
}

void RelevanceScorer::score(View<const int32_t> left, View<const int32_t> right,
                            View<float> scores) {
  for (int64_t first = 0; first < scores.size(); first += kScoreChunk) {
    const int64_t pairs = std::min(kScoreChunk, scores.size() - first);
    const View<const int32_t> l = left.slice(first, pairs), r = right.slice(first, pairs);
    const View<int32_t> ids = ids_.view().slice(0, 2 * pairs);
    backend_.concatenate(l, r, ids);
    std::vector<Lookup> items;
    for (const Tensor<float>& table : tables_) items.push_back({table, ids});
    const View<float> out = scores.slice(first, pairs);
    predictor_->forward(items, out);
    backend_.add_item_biases(biases_, mean_, l, r, out);
  }
}

}  // namespace mgqe

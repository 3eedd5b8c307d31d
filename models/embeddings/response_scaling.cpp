#include "models/embeddings/response_scaling.hpp"

namespace mgqe {

ResponseScaling::ResponseScaling(Backend& backend, const std::string& table,
                                 const EmbeddingConfig& config, int64_t centroids)
    : backend_(backend),
      name_(table + ".response_moments"),
      normalized_(config.distance_bn == DistanceBn::kTf),
      temperature_(static_cast<float>(config.softmax_temperature)),
      offsets_(backend, centroids, config.subspaces[0]),
      offset_gradient_(backend, centroids, config.subspaces[0]) {
  const int64_t dim = config.dim, width = dim / config.subspaces[0];
  if (scaled()) scaled_ = Tensor<float>(backend, centroids, dim);
  if (!normalized_) return;
  sums_ = Tensor<double>(backend, dim, width + 2);
  moments_ = Tensor<float>(backend, centroids, 2);
  std::vector<float> start;  // mean 0, variance 1
  for (int64_t k = 0; k < centroids; ++k) start.insert(start.end(), {0.0f, 1.0f});
  running_ = Tensor<float>(backend, std::span<const float>(start), 2);
  terms_ = Tensor<double>(backend, centroids, 2);
  map_ = Tensor<float>(backend, dim, width + 1);
}

ResponseScale ResponseScaling::scale() const {
  return {normalized_ ? moments_.view() : View<const float>{}, temperature_};
}

void ResponseScaling::follow_batch(View<const float> queries, const UniqueIds& rows,
                                   View<const float> keys) {
  if (normalized_) {
    backend_.row_moments(queries, rows, sums_);
    if (Communicator& ranks = backend_.communicator(); !ranks.alone())
      ranks.all_reduce(Traffic::kCodebook, sums_.view());
    backend_.response_moments(sums_, keys, moments_, running_);
  }
  if (scaled()) backend_.scale_keys(keys, scale(), scaled_, offsets_);
}

void ResponseScaling::serve(View<const float> keys) {
  if (!scaled()) return;
  ResponseScale served = scale();
  if (normalized_) served.moments = running_;
  backend_.scale_keys(keys, served, scaled_, offsets_);
}

SoftmaxKeys ResponseScaling::keys(View<const float> keys) const {
  return {scaled() ? scaled_.view() : keys, offsets_};
}

void ResponseScaling::backward(View<const float> queries, const UniqueIds& rows,
                               View<const float> keys, const SoftmaxGradients& gradients) {
  if (!scaled()) return;
  const SoftmaxKeys scored = this->keys(keys);
  Communicator& ranks = backend_.communicator();
  if (normalized_) {
    backend_.response_terms(scored, gradients.keys, gradients.offsets, temperature_, terms_);
    if (!ranks.alone()) ranks.all_reduce(Traffic::kCodebook, terms_.view());
    backend_.response_backward(queries, rows, scored, sums_, terms_, map_, gradients.queries);
  }
  // Every rank's key gradients are added: each has its share of what all of them cause.
  backend_.scale_keys_backward(scored, scale(), sums_, terms_,
                               1.0 / static_cast<double>(ranks.size()), gradients.keys);
}

void ResponseScaling::visit(const TensorVisitor& visitor) {
  if (normalized_) visitor(name_, running_);
}

}  // namespace mgqe

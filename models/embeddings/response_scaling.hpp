// What stands between responses e_j . key_jk and the scores of DPQ-SX: batch normalization by k,
// as tf.layers.batch_normalization without scale and center has it (Ioffe & Szegedy 2015), where
// distance_bn is "tf", and a temperature. Both are a factor and an offset of each key, so the
// search and the softmax see scaled keys and know nothing of either.
#pragma once

#include "host/config/config.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {

class ResponseScaling {
 public:
  ResponseScaling(Backend& backend, const std::string& table, const EmbeddingConfig& config,
                  int64_t centroids);

  /// Scales keys (K, d) by the moments of a batch, those of all ranks; running moments follow.
  void follow_batch(View<const float> queries, const UniqueIds& rows, View<const float> keys);
  /// Scales them by the running moments, as they are served.
  void serve(View<const float> keys);
  /// What scores are made of since the last of the two.
  SoftmaxKeys keys(View<const float> keys) const;

  /// (K, D): for softmax_backward.
  View<float> offset_gradient() { return offset_gradient_; }
  /// From the gradients that softmax_backward gave of the batch that was followed: those by
  /// queries and by unscaled keys.
  void backward(View<const float> queries, const UniqueIds& rows, View<const float> keys,
                const SoftmaxGradients& gradients);

  void visit(const TensorVisitor& visitor);

 private:
  bool scaled() const { return normalized_ || temperature_ != 1.0f; }
  ResponseScale scale() const;

  Backend& backend_;
  std::string name_;
  bool normalized_;
  float temperature_;
  Tensor<float> offsets_;          // (K, D), zeros unless normalized
  Tensor<float> offset_gradient_;  // (K, D)
  Tensor<float> scaled_;           // (K, d), where anything is scaled
  // Of normalized responses alone:
  Tensor<double> sums_;              // (d, w + 2) of the batch, over all ranks
  Tensor<float> moments_, running_;  // (K, 2) of the batch; what is served
  Tensor<double> terms_;             // (K, 2)
  Tensor<float> map_;                // (d, w + 1)
};

}  // namespace mgqe

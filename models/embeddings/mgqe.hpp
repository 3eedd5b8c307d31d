// MGQE (Kang et al. 2020), and DPQ-VQ (Chen & Sun 2019) as its case of one tier. Ids of tier i are
// encoded by
//   shared_k   the first K_i centroids of each subspace of one codebook (the paper's default),
//   private_k  a codebook of K_i centroids of their own,
//   private_d  a codebook of their own with K centroids in each of D_i subspaces.
//
// Training is DPQ-VQ: forward returns the nearest centroids c of the query row e; the task gradient
// passes straight through to e; the codebooks follow their own loss,
//   codebook_weight * mean over look-ups and dimensions of (c - sg(e))^2.
//
// Options, all off by default. What the DPQ authors' code (github.com/chentingpc/
// dpq_embedding_compression at d98dc6d, core/kd_quantizer.py and kdq_embedding.py) does of them:
//   commitment_weight b  adds b * mean over look-ups and dimensions of (sg(c) - e)^2. The authors
//                        have the term (`input_commit`) and pass beta = 0.
//   distance_bn "tf"     the search compares (distance - mean_k) / sqrt(variance_k + epsilon), with
//                        moments by centroid index k over look-ups and subspaces. The authors pass
//                        softmax_BN=True for VQ too: tf.layers.batch_normalization of responses
//                        (B, D, K) along the last axis without scale and centre, with TensorFlow's
//                        defaults: momentum 0.99, epsilon 1e-3, biased variance, running moments
//                        from 0 and 1. No gradient passes, as nothing but the argmax sees them.
//                        Outside training the running moments stand in. Of the authors' programs lm
//                        alone runs the updates of the running moments, and here they are run; in
//                        the two others they stay 0 and 1, so that they train with normalization
//                        and evaluate without.
//   kmeans_start t       t iterations of Lloyd's algorithm over the initial rows. Authors: none.
//   grouping "lookup"    each look-up is searched on its own rather than each distinct id: the same
//                        results up to the order of sums. The authors search look-ups.
#pragma once

#include "models/embeddings/quantizer.hpp"

namespace mgqe {

class MgqeEmbedding final : public Embedding {
 public:
  MgqeEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  void prepare_backward() override;
  DevicePackedTable pack() override;
  std::vector<TierReport> tier_reports() const override { return reports_; }
  void visit(const TensorVisitor& visitor) override;

 private:
  class Codec;

  bool is_private() const { return variant_ != Variant::kSharedK; }
  Quantizer& quantizer_of(int tier) { return quantizers_[is_private() ? tier : 0]; }
  UniqueIds every_lookup(const IdBatch& batch);
  /// 2 weight / (B d): the derivative of weight times a mean of squares over B look-ups.
  float mean_square_scale(double weight) const {
    return 2.0f * static_cast<float>(weight) / static_cast<float>(ids_.lookups * config_.dim);
  }

  EmbeddingConfig config_;
  Variant variant_;
  bool searches_lookups_;  // each on its own
  RowSharding sharding_;
  Tiers tiers_;                        // of the whole table
  TrainableTable queries_;             // (n, d)
  std::vector<Quantizer> quantizers_;  // one, or one a tier
  Tensor<float> decoded_;              // (max look-ups, d)
  Tensor<float> gradient_;             // (max look-ups, d), only with a commitment loss
  Tensor<int32_t> counting_;           // (max look-ups + 1) 0, 1, 2, ..., only by look-up
  IdBatch ids_;                        // of the last forward
  UniqueIds rows_;                     // what it searched: distinct ids, or look-ups
  View<const float> fetched_;          // where it found them
  View<const float> query_gradient_;   // of the last backward
  std::vector<TierReport> reports_;    // of the last pack
};

}  // namespace mgqe

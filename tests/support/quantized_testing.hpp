// A quantized embedding in training, seen from outside: its arrays by name, its codes by the
// centroids that its rows equal, and its gradients by Adam's first moment with beta1 = 0.
#pragma once

#include <map>
#include <string>

#include "models/embeddings/embedding.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {

inline constexpr int64_t kTableRows = 60, kTableDim = 12, kMaxLookups = 48;

/// dpq_vq, and mgqe of three tiers (ids 0-5, 6-29, 30-59) in every variant.
inline EmbeddingConfig quantized_config(const std::string& scheme,
                                        Variant variant = Variant::kSharedK) {
  EmbeddingConfig config;
  config.scheme = scheme;
  config.variant = variant;
  config.dim = kTableDim;
  config.init_stddev = 0.5;
  config.subspaces = {4};
  config.centroids = {20};
  if (scheme != "mgqe") return config;
  config.tiers = {0.1, 0.5};
  if (variant == Variant::kPrivateD)
    config.subspaces = {6, 4, 1};
  else
    config.centroids = {20, 9, 3};
  return config;
}

inline std::vector<EmbeddingConfig> vector_quantized_configs() {
  return {quantized_config("dpq_vq"), quantized_config("mgqe"),
          quantized_config("mgqe", Variant::kPrivateK),
          quantized_config("mgqe", Variant::kPrivateD)};
}

inline std::string label(const EmbeddingConfig& config) {
  return config.scheme + " " + name_of(config.variant) + " by " + name_of(config.grouping);
}

class QuantizedFixture : public OnEveryBackend {
 protected:
  void make(const EmbeddingConfig& config, double beta1 = 0.0) {
    config_ = config;
    spec_ = {"t", kTableRows, kMaxLookups, config, {}, 101, 102};
    spec_.optimizer.adam.learning_rate = 0.05;
    spec_.optimizer.adam.beta1 = beta1;
    unique_ = std::make_unique<UniqueBuffer>(backend(), kMaxLookups);
    embedding_ = make_embedding(backend(), spec_);
    state_ = Tensor<StepState>(backend(), 1);
  }
  Embedding& embedding() { return *embedding_; }

  /// Rows (B, d) of the look-ups.
  std::vector<float> forward(const std::vector<int32_t>& ids) {
    ids_ = tensor(ids);
    const Lookup lookup =
        embedding_->forward({ids_, unique_->deduplicate(ids_, kTableRows), ids_.rows()});
    Tensor<float> rows = poisoned<float>(ids_.size(), kTableDim);
    backend().gather(lookup.rows, lookup.index, rows);
    return rows.to_host();
  }
  /// gradient (B, d) of the last forward.
  void backward(const std::vector<float>& gradient) {
    backend().begin_step(state_, spec_.optimizer.adam);
    const Tensor<float> device = tensor(gradient, kTableDim);
    embedding_->backward(device);
    embedding_->step(state_);
    backend().synchronize();
  }
  void train(int steps, uint64_t seed, int lowest_id = 0, int highest_id = kTableRows - 1) {
    Random random(seed);
    for (int step = 0; step < steps; ++step) {
      const int64_t lookups = step % 3 == 2 ? 5 : kMaxLookups;  // short batches too
      forward(random.integers<int32_t>(lookups, lowest_id, highest_id));
      backward(random.normals(lookups * kTableDim, 0.1f));
    }
  }

  /// Every array that a checkpoint would hold.
  std::map<std::string, std::vector<float>> arrays() {
    std::map<std::string, std::vector<float>> all;
    embedding_->visit(
        [&](const std::string& name, Tensor<float>& tensor) { all[name] = tensor.to_host(); });
    return all;
  }
  void set(const std::string& wanted, const std::vector<float>& values) {
    embedding_->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (name == wanted) tensor.assign(values);
    });
  }

  // What the configuration says of an id, written out.
  int tier_of(int64_t id) const { return config_.tiers.empty() ? 0 : id < 6 ? 0 : id < 30 ? 1 : 2; }
  int limit(int64_t id) const {
    return config_.centroids.size() == 1 ? config_.centroids[0] : config_.centroids[tier_of(id)];
  }
  int subspaces(int64_t id) const {
    return config_.subspaces.size() == 1 ? config_.subspaces[0] : config_.subspaces[tier_of(id)];
  }
  std::string codebook_name(int64_t id) const {
    return config_.variant == Variant::kSharedK ? "t.codebook"
                                                : "t.codebook." + std::to_string(tier_of(id));
  }

  /// Codes of one row (d) by the centroids it equals to the bit; fails where it equals none.
  std::vector<int> codes_of(const float* row, int64_t id, const std::vector<float>& codebook) {
    const int D = subspaces(id), w = static_cast<int>(kTableDim) / D;
    std::vector<int> codes(D, -1);
    for (int j = 0; j < D; ++j) {
      for (int64_t k = 0; k < static_cast<int64_t>(codebook.size()) / kTableDim; ++k)
        if (codes[j] < 0 &&
            std::equal(row + j * w, row + (j + 1) * w, codebook.begin() + k * kTableDim + j * w))
          codes[j] = static_cast<int>(k);
      EXPECT_GE(codes[j], 0) << "row of id " << id << " is no centroid in subspace " << j;
      EXPECT_LT(codes[j], limit(id)) << "id " << id;
    }
    return codes;
  }

  /// Row (d) of an id holds centroids that are nearest to its query, but for the rounding of the
  /// float score: a sum of w + 1 terms of magnitude up to about 16.
  void expect_nearest(const float* row, int64_t id,
                      const std::map<std::string, std::vector<float>>& all) {
    const std::vector<float>& codebook = all.at(codebook_name(id));
    const reference::Matrix c = reference::widen(codebook);
    const reference::Matrix queries = reference::widen(all.at("t.queries"));
    const std::vector<int> codes = codes_of(row, id, codebook);
    const int D = subspaces(id), w = static_cast<int>(kTableDim) / D;
    const double* e = &queries[id * kTableDim];
    for (int j = 0; j < D; ++j) {
      if (codes[j] < 0) continue;
      const int best = reference::nearest(e, c, limit(id), kTableDim, j, w);
      const double regret = reference::squared_distance(e, &c[codes[j] * kTableDim], j, w) -
                            reference::squared_distance(e, &c[best * kTableDim], j, w);
      EXPECT_LE(regret, 16 * 2 * sum_tolerance(w + 1)) << "id " << id << ", subspace " << j;
    }
  }

  EmbeddingConfig config_;
  EmbeddingSpec spec_;
  std::unique_ptr<Embedding> embedding_;

 private:
  std::unique_ptr<UniqueBuffer> unique_;
  Tensor<int32_t> ids_;
  Tensor<StepState> state_;
};

}  // namespace mgqe::testing

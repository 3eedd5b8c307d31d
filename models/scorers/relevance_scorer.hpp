// Relevance of pairs of items as it is served:
//   score(i, j) = mean + b_i + b_j + logit(q_i, q_j),
// where a logit that tells its sides apart is averaged over both orders of the pair.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/layers/pair_forward.hpp"
#include "models/packing/packed_rows.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

/// Names of the arrays that every relevance model has: "relevance.biases" (n), "relevance.mean"
/// (1).
inline constexpr const char* kRelevanceBiases = "relevance.biases";
inline constexpr const char* kRelevanceMean = "relevance.mean";

class RelevanceScorer final : public PairScorer {
 public:
  static constexpr int64_t kChunk = 8192;  // pairs scored at a time: bounds scratch memory

  /// tables: names of those that `pairs` looks up, in its order; it has room for both orders of
  /// kChunk pairs.
  RelevanceScorer(Backend& backend, const DevicePackedModel& model,
                  const std::vector<std::string>& tables, std::unique_ptr<PairForward> pairs);
  void score(View<const int32_t> left, View<const int32_t> right, View<float> scores) override;

 private:
  Backend& backend_;
  std::unique_ptr<PairForward> pairs_;
  BothOrders orders_;
  std::vector<PackedRows> tables_;
  std::vector<Tensor<float>> rows_;  // (2 kChunk, d) of the last pairs, a table each
  Tensor<float> biases_;             // (n)
  float mean_;
  Tensor<int32_t> ids_;      // (2 kChunk) [left; right]
  Tensor<int32_t> numbers_;  // (2 kChunk) 0, 1, 2, ...
};

}  // namespace mgqe

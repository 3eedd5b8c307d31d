// DPQ-SX (Chen & Sun 2019, section 2.3): codes by the largest product with a key, rows from values.
//   score_k = e_j . key_jk / temperature;  code_j = argmax_k score_k (lowest index on ties);
//   row_j = value_j,code.
// Keys and queries learn through the softmax in place of the argmax; nothing but the task's loss
// trains any of them, and keys need not be served.
//
// The straight-through is that of the DPQ authors' code (github.com/chentingpc/
// dpq_embedding_compression at d98dc6d, core/kd_quantizer.py): weights y = p - sg(p - one-hot) and
// output y . values. Values therefore get the gradient of the hard one-hot; scores that of the
// softmax p under the gradient by y, which is value_k . g. The authors' entropy term has weight 0.
// Their code also batch-normalizes the responses e_j . key_jk by k, over look-ups and subspaces, as
// it does VQ's distances: distance_bn "tf", which the softmax's gradient goes through. Few keys are
// chosen ever more often, as trained here, and neither this nor a temperature of 0.1 has kept click
// models from that (experiments/results/report.md).
#pragma once

#include "models/embeddings/embedding.hpp"
#include "models/embeddings/response_scaling.hpp"
#include "models/embeddings/rounded_codebook.hpp"

namespace mgqe {

class DpqSxEmbedding final : public Embedding {
 public:
  DpqSxEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  /// Reports measure the distance from queries to their keys, scaled as scores have them.
  DevicePackedTable pack() override;
  std::vector<TierReport> tier_reports() const override { return reports_; }
  void visit(const TensorVisitor& visitor) override;

 private:
  class Codec;

  /// codes (|rows|, D); near (|rows|, d): the chosen keys, scaled.
  void encode(RowSet rows, View<uint8_t> codes, View<float> near, View<float> squared_error);

  /// Values as of the last forward or pack.
  View<const float> served_values() const { return rounded_.of(values_.values()); }

  RowSharding sharding_;
  int subspaces_;
  Tiers tiers_;              // one
  TrainableTable queries_;   // (n, d)
  Trainable keys_, values_;  // (K, d)
  RoundedCodebook rounded_;  // of values
  ResponseScaling responses_;
  Tensor<uint8_t> codes_;         // (max look-ups, D)
  Tensor<float> chosen_keys_;     // (max look-ups, d)
  Tensor<float> decoded_;         // (max look-ups, d)
  Tensor<float> row_gradient_;    // (max look-ups, d) by the decoded rows, look-ups summed
  Tensor<float> query_gradient_;  // (max look-ups, d) by distinct id
  Tensor<int32_t> counting_;      // (max look-ups + 1) 0, 1, 2, ...
  IdBatch ids_;                   // of the last forward
  std::vector<TierReport> reports_;
};

}  // namespace mgqe

// Learned step size quantization (Esser et al. 2020; for embeddings Li et al. 2023): what is looked
// up is a row rounded to b bits by a step of each column, and the step is learned with the rows, by
// gradients that pass the rounding. What is trained of a step is its logarithm: it stays positive,
// and an optimizer's move is a share of it, however small it is.
#pragma once

#include "models/embeddings/embedding.hpp"

namespace mgqe {

/// The step that rows of this mean magnitude begin with (Esser et al. 2020, section 2.1):
/// 2 E|x| / sqrt(the largest level).
double first_lsq_step(double mean_magnitude, int bits);

class LsqEmbedding final : public Embedding {
 public:
  LsqEmbedding(Backend& backend, const EmbeddingSpec& spec);

  Lookup forward(const IdBatch& ids) override;
  void backward(View<const float> gradient) override;
  void step(View<const StepState> state) override;
  DevicePackedTable pack() override;
  void visit(const TensorVisitor& visitor) override;

 private:
  int bits_;
  RowSharding sharding_;
  TrainableTable table_;                // (n, d)
  Trainable log_steps_;                 // (d)
  Tensor<float> low_, high_;            // (d), of the steps
  Tensor<float> rows_;                  // (max look-ups, d), rounded
  Tensor<float> row_gradient_, terms_;  // (max look-ups, d)
  Tensor<int32_t> lookup_numbers_;      // (max look-ups) 0, 1, 2, ...
  View<const int32_t> ids_;             // of the last forward
  UniqueIds unique_;
  std::span<const int64_t> rank_rows_;
};

}  // namespace mgqe

// Parameter updates.
#pragma once

#include "host/core/ops/types.hpp"

namespace mgqe {

class OptimizerOps {
 public:
  virtual ~OptimizerOps() = default;

  /// torch.optim.Adam on every element.
  virtual void adam(View<float> parameter, View<const float> gradient, Moments moments,
                    AdamOptions options, View<const StepState> state) = 0;
  /// torch.optim.SparseAdam on the rows of table (n, d) that the batch touched: sums each row's
  /// look-up gradients (B, d) in look-up order and updates the row, in one pass.
  virtual void sparse_adam(View<float> table, const UniqueIds& unique, View<const float> gradient,
                           Moments moments, AdamOptions options, View<const StepState> state) = 0;
  /// table_gradient (n, d): rows of touched ids = sum of their look-up gradients (B, d), in look-up
  /// order; other rows are left alone.
  virtual void sum_gradients(const UniqueIds& unique, View<const float> gradient,
                             View<float> table_gradient) = 0;
};

}  // namespace mgqe

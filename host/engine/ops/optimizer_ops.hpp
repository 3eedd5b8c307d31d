// Parameter updates. Every learning rate is multiplied by what the step's state says
// (StepState::rate_factor).
#pragma once

#include <span>

#include "host/base/bfloat16.hpp"
#include "host/engine/ops/types.hpp"
#include "host/engine/row_sharding.hpp"

namespace mgqe {

class OptimizerOps {
 public:
  virtual ~OptimizerOps() = default;

  /// torch.optim.Adam on every element.
  virtual void adam(View<float> parameter, View<const float> gradient, Moments moments,
                    AdamOptions options, View<const StepState> state) = 0;
  /// torch.optim.SGD on every element: parameter -= learning_rate * (gradient + l2 * parameter).
  virtual void sgd(View<float> parameter, View<const float> gradient, double learning_rate,
                   double l2, View<const StepState> state) = 0;
  /// The same of each of several arrays, of which no two overlap.
  virtual void adam_each(std::span<const DenseArray> arrays, AdamOptions options,
                         View<const StepState> state) {
    for (const DenseArray& array : arrays)
      adam(array.parameter, array.gradient, array.moments, options, state);
  }
  virtual void sgd_each(std::span<const DenseArray> arrays, double learning_rate, double l2,
                        View<const StepState> state) {
    for (const DenseArray& array : arrays)
      sgd(array.parameter, array.gradient, learning_rate, l2, state);
  }
  /// Updates the rows of table (n, d), or of the batch's rows alone (see UniqueIds::gathered; not
  /// under SparseAdam), that the batch touched, in one pass: sums each row's look-up
  /// gradients (B, d) and applies the rule. The order of a sum is fixed: look-up order, or that of
  /// equal chunks of the sorted look-ups, each in look-up order.
  virtual void update_rows(View<float> table, const UniqueIds& unique, View<const float> gradient,
                           const RowUpdate& update, View<const StepState> state) = 0;
  /// table_gradient (n, d): rows of touched ids = sum of their look-up gradients (B, d), in the
  /// order of update_rows; other rows are left alone.
  virtual void sum_gradients(const UniqueIds& unique, View<const float> gradient,
                             View<float> table_gradient) = 0;

  // ---- rows stored in bfloat16
  /// out (|rows|, d) = the rows of the set, out of a table (n, d).
  virtual void widen_rows(View<const Bfloat16> table, RowSet rows, View<float> out) = 0;
  /// The inverse: values (|rows|, d) into the table, each up or down at random so that its mean
  /// stays. Which way is a function of key, step and element of the whole table.
  virtual void narrow_rows(View<const float> values, RowSet rows, const RowSharding& sharding,
                           uint64_t key, View<const StepState> state, View<Bfloat16> table) = 0;
};

}  // namespace mgqe

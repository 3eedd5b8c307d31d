// How one row of a table follows from its summed gradient g (d), written once for every device.
//
// A back end holds g by columns, in a loop or in the lanes of a warp, and for row `id` does
//   rate = rule.rate(), or, where kRowNorm,
//   rate = rule.row_rate(id, mean over columns of rule.square(parameter, g)), called once;
//   for each column: rule.element(x, g, rate), x[a] being the column of row `id` in arrays[a],
//   loaded where kReads and stored afterwards. arrays[0] is the parameter.
#pragma once

#include <cmath>

#include "host/engine/functors/functors.hpp"

namespace mgqe {

/// torch.optim.SparseAdam: epsilon is added to the raw root of the second moment.
struct SparseAdamRule {
  static constexpr int kArrays = 3;
  static constexpr bool kReads = true, kRowNorm = false;
  View<float> arrays[kArrays];  // (n, d) parameter, first and second moment
  AdamOptions options;
  View<const StepState> state;

  MGQE_HD float rate() const {
    return static_cast<float>(options.learning_rate) * state[0].sparse_scale;
  }
  MGQE_HD void element(float (&x)[kArrays], float g, float rate) const {
    update_moments(x[1], x[2], fmaf(static_cast<float>(options.l2), x[0], g), options);
    const float denominator = sqrtf(x[2]) + static_cast<float>(options.epsilon);
    x[0] = fmaf(-rate, x[1] / denominator, x[0]);
  }
};

/// Adagrad with one sum of squares a row, as in FBGEMM's rowwise_adagrad with L2 weight decay:
/// g += l2 p, s += mean(g^2), p -= lr g / (sqrt(s) + epsilon).
struct RowwiseAdagradRule {
  static constexpr int kArrays = 1;
  static constexpr bool kReads = true, kRowNorm = true;
  View<float> arrays[kArrays];  // (n, d)
  View<float> square_sums;      // (n)
  float learning_rate, epsilon, l2;
  View<const StepState> state;

  MGQE_HD float square(float parameter, float g) const {
    const float penalised = fmaf(l2, parameter, g);
    return penalised * penalised;
  }
  MGQE_HD float row_rate(int64_t id, float mean_square) const {
    const float sum = square_sums[id] + mean_square;
    square_sums[id] = sum;
    return learning_rate * state[0].rate_factor() / (sqrtf(sum) + epsilon);
  }
  MGQE_HD void element(float (&x)[kArrays], float g, float rate) const {
    x[0] = fmaf(-rate, fmaf(l2, x[0], g), x[0]);
  }
};

/// torch.optim.SGD on touched rows, l2 as its weight_decay.
struct SgdRule {
  static constexpr int kArrays = 1;
  static constexpr bool kReads = true, kRowNorm = false;
  View<float> arrays[kArrays];  // (n, d)
  float learning_rate, l2;
  View<const StepState> state;

  MGQE_HD float rate() const { return learning_rate * state[0].rate_factor(); }
  MGQE_HD void element(float (&x)[kArrays], float g, float rate) const {
    x[0] = fmaf(-rate, fmaf(l2, x[0], g), x[0]);
  }
};

/// No update: the summed gradient itself.
struct StoreSumRule {
  static constexpr int kArrays = 1;
  static constexpr bool kReads = false, kRowNorm = false;
  View<float> arrays[kArrays];  // (n, d)

  MGQE_HD float rate() const { return 0.0f; }
  MGQE_HD void element(float (&x)[kArrays], float g, float) const { x[0] = g; }
};

/// Calls f with the rule that `update` names. gathered: the table has the rows of a batch alone,
/// and what the rule keeps of a row in one number is still found by id.
template <class Function>
void with_row_rule(View<float> table, bool gathered, const RowUpdate& update,
                   View<const StepState> state, const Function& f) {
  const AdamOptions& options = update.options;
  const auto learning_rate = static_cast<float>(options.learning_rate);
  const auto epsilon = static_cast<float>(options.epsilon), l2 = static_cast<float>(options.l2);
  const Moments& moments = update.moments;
  switch (update.rule) {
    case RowRule::kSparseAdam:
      MGQE_CHECK(moments.first.size() == table.size() && moments.second.size() == table.size(),
                 moments.first.size(), " and ", moments.second.size(), " moments for a table of ",
                 table.size());
      return f(SparseAdamRule{{table, moments.first, moments.second}, options, state});
    case RowRule::kRowwiseAdagrad:
      MGQE_CHECK(gathered || update.square_sums.size() == table.rows, update.square_sums.size(),
                 " sums of squares for a table of ", table.rows, " rows");
      return f(RowwiseAdagradRule{{table}, update.square_sums, learning_rate, epsilon, l2, state});
    case RowRule::kSgd:
      return f(SgdRule{{table}, learning_rate, l2, state});
  }
}

}  // namespace mgqe

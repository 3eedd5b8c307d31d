// Interaction: what a pair backbone computes from the rows of its two sides. PairModel ranks with
// it (users x items), RelevanceModel scores items against items.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/features/group_tables.hpp"
#include "models/layers/pair_forward.hpp"

namespace mgqe {

/// What one loss of B pairs trains: a logit and the weights behind it.
class PairObjective : public PairForward {
 public:
  /// After forward on the same sides: gradients of both sides from logit_gradient (B); keeps those
  /// of its own weights for step().
  virtual void backward(Side left, Side right, View<const float> logit_gradient,
                        SideGradient left_gradients, SideGradient right_gradients) = 0;
  virtual void step(View<const StepState> state) = 0;
};

class Interaction : public PairObjective {
 public:
  virtual void pack(ArrayMap& arrays) const = 0;
  virtual void visit(const TensorVisitor& visitor) = 0;
};

/// Builds the interaction of a run: config as recorded, max_pairs B.
using MakeInteraction = std::unique_ptr<Interaction> (*)(Backend&, const Config&,
                                                         int64_t max_pairs);

}  // namespace mgqe

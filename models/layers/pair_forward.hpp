// PairForward: the logit of a pair from the rows of its two sides, in training and as it is served.
#pragma once

#include <span>
#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe {

/// Rows of one side of B pairs, one Lookup for each of the backbone's tables.
using Side = std::span<const Lookup>;

class PairForward {
 public:
  virtual ~PairForward() = default;

  /// Whether swapping the two sides leaves the logit as it is.
  virtual bool symmetric() const = 0;
  /// logits (B).
  virtual void forward(Side left, Side right, View<float> logits) = 0;
};

/// The mean logit of a pair's two orders, from 2B look-ups of one item table, [left; right]; where
/// the pair is symmetric, the logit itself.
class BothOrders {
 public:
  /// Room for max_pairs pairs of a backbone with so many tables.
  BothOrders(Backend& backend, bool symmetric, size_t tables, int64_t max_pairs);

  /// predictions (B).
  void forward(PairForward& pairs, Side items, View<float> predictions);

  /// Orders that are computed: 1 where the pair is symmetric, else 2.
  int copies() const { return copies_; }
  View<const float> average() const { return average_; }  // (copies): 1 / copies
  /// What the last forward asked of PairForward: (copies B) look-ups a table.
  Side left() const { return left_; }
  Side right() const { return right_; }

 private:
  Backend& backend_;
  int copies_;
  std::vector<Lookup> left_, right_;
  std::vector<Tensor<int32_t>> swapped_index_;  // (2B) a table
  Tensor<float> logits_;                        // (copies B)
  Tensor<float> average_;
};

}  // namespace mgqe

// AUC and logloss of binary labels, exact and in double.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

/// Of scored rows, in any order and number of pieces; those of several ranks may be joined. Holds 8
/// bytes a row.
class CtrMetrics {
 public:
  /// logits (n) and labels (n), 0 or 1. A logit that is no number is an Error.
  void add(std::span<const float> logits, std::span<const float> labels);
  void join(const CtrMetrics& other);

  int64_t rows() const { return static_cast<int64_t>(keys_.size()); }
  int64_t positives() const { return positives_; }

  /// The probability that a positive scores above a negative, ties counted half: with R the sum of
  /// the positives' ranks, and the mean rank for those that tie, (R - P (P + 1) / 2) / (P N).
  /// Nothing without both kinds. Sorts what it holds.
  std::optional<double> auc();
  /// The mean of log(1 + exp(-z)) over positives and log(1 + exp(z)) over negatives.
  std::optional<double> logloss() const;

  /// {"auc", "logloss", "rows", "positives"}; null where there is none.
  nlohmann::ordered_json json();

  /// All that it holds, for another rank, and the inverse.
  std::string to_bytes() const;
  static CtrMetrics of(const std::string& bytes);

 private:
  std::vector<uint64_t> keys_;  // 32 bits that are ordered as logits are, then the label, a row
  int64_t positives_ = 0;
  double loss_sum_ = 0.0;
};

}  // namespace mgqe

// CtrSynthetic: rows over many fields whose labels follow a model that is known, of any size.
//
//   ids     of a field of n rows by Zipf's law with exponent 1, id 0 the most frequent
//   dense   standard normal
//   logit   bias + sum over fields of w_f[id] + sum over pairs of fields <v_f[id], v_g[id']>
//           + <a, x>, with normal w, v (of two dimensions) and a
//   label   1 with probability sigmoid(logit)
//
// A row, and a weight, is a function of the seed and its number alone: nothing is stored.
#pragma once

#include <cstdint>
#include <vector>

#include "host/data/ctr/ctr_rows.hpp"

namespace mgqe {

struct CtrSyntheticConfig {
  std::vector<int64_t> field_rows = {100, 1000, 10'000};  // of each field with one id a row
  std::vector<int64_t> bag_rows = {};                     // of each bag, of 0 to 4 ids a row
  int64_t dense = 0;
  int64_t rows[kCtrSplits] = {100'000, 10'000, 10'000};
  uint64_t seed = 1;
  // Standard deviations of the parts of the logit; what fields add is linear and pairwise.
  double bias = -1.0, linear = 1.0, pairwise = 1.0, dense_part = 0.5;
};

/// 26 fields whose sizes are as unlike as Criteo's, about `sum` rows together, 300 or more.
std::vector<int64_t> criteo_field_rows(int64_t sum);

class CtrSynthetic : public CtrRows {
 public:
  /// InputError where a size is below 1 or over 2^31 - 1.
  explicit CtrSynthetic(CtrSyntheticConfig config);

  void gather(CtrSplit split, std::span<const int64_t> rows, CtrBatch& batch) const override;
  uint64_t fingerprint() const override { return fingerprint_; }
  /// As many as are expected.
  std::vector<int64_t> counts(size_t field) const override;

  /// What the labels were drawn from: the best that a model can come by. Of rows that gather()
  /// gave.
  std::vector<float> true_logits(const CtrBatch& batch) const;

 private:
  static constexpr int kFactors = 2;
  struct Sums;

  void add_id(int64_t table, int32_t id, double scale, Sums& sums) const;
  double logit(const CtrBatch& batch, int64_t row) const;
  uint64_t key(uint64_t purpose) const;

  CtrSyntheticConfig config_;
  double linear_scale_ = 0.0, factor_scale_ = 0.0;
  uint64_t fingerprint_ = 0;
};

}  // namespace mgqe

// What its codes alone say of a row's score. With L_j(c) the inner product of the query's part j
// and centroid c of subspace j, codes c_1 .. c_D have in exact arithmetic the score
//   s = sum_j max_j - delta,   delta = sum_j (max_j - L_j(c_j)) >= 0.
//
// The score that counts is s', a chain of d fmas in floats. Each term passes through at most d
// roundings, so (Higham 2002, section 3.1; the last term is what underflow can cost, d times half
// of the least float)
//   |s' - s| <= gamma_d A + d 2^-149,   gamma_d = d u / (1 - d u),  u = 2^-24,
// where A = sum_i |q_i| max_c |c_i| is more than any sum of absolute terms. L_j, max_j and their
// sums are computed in doubles: products of floats are exact there, and what d + D sums and a few
// differences lose is below (d + D + 16) 2^-52 A. So s' >= threshold only where
//   delta <= gap = (sum_j max_j - threshold + slack) (1 + 2^-40),
//   slack = A (gamma_d + (d + D + 16) 2^-52) + d 2^-149;
// the last factor is for the roundings of the gap itself and of sums of deficits in doubles.
// Deficits are kept as floats rounded towards zero, so that a sum of them only lowers delta.
//
// Nothing here asks what subspaces are of. Where a table is in stages (host/packed/code_space.hpp),
// d and D are S times as many, the query has each of its values S times, and s is the sum over all
// stages; a query that was rotated is the query that the bound is of.
//
// In eight bits: q_j(c) = floor((max_j - L_j(c)) 254 / gap), at most 255. As floors only lower a
// sum, a row with delta <= gap has sum_j q_j <= 254, and one whose saturating sum is 255 cannot
// enter.
#pragma once

#include <cstdint>
#include <vector>

#include "host/serve/scan/tier_codebook.hpp"

namespace mgqe {

/// Entries of an eight-bit table of codes of so many bits: 64, 128 or 256. Where 2^bits are fewer,
/// the table repeats, so that bits above a code's own do not matter.
inline int table_entries(int bits) { return bits <= 6 ? 64 : 1 << bits; }

/// Deficits of one query in one tier.
class Deficits {
 public:
  Deficits() = default;
  /// query (d).
  Deficits(const TierCodebook& codebook, const float* query);

  /// Below zero: no row of the tier reaches the threshold.
  double gap(float threshold) const;
  /// Scores may overflow or are no numbers: no bound holds, every row has to be scored.
  bool unbounded() const { return unbounded_; }
  /// Eight-bit tables (D, table_entries(bits)) for a gap that is not negative; 255 beyond K. All
  /// zeros below K where unbounded(). By the groups' names of codes if they are given, and then
  /// with their bounds (D, 64) in `coarse`.
  void quantize(double gap, const CentroidGroups& groups, uint8_t* tables, uint8_t* coarse) const;

  /// Sum of deficits of codes (D), each below K.
  double sum(const uint8_t* codes) const {
    double delta = 0.0;
    for (int j = 0; j < subspaces_; ++j) delta += deficits_[j * centroids_ + codes[j]];
    return delta;
  }
  /// What a row of such a sum scores at least, but for the last rounding to a float.
  double least_score(double sum) const { return least_of_best_ - sum * (1.0 + 0x1p-22); }

 private:
  int bits_ = 0, centroids_ = 0, subspaces_ = 0;
  bool unbounded_ = false;
  double most_ = 0.0, slack_ = 0.0;  // most_: sum of max_j
  double least_of_best_ = 0.0;
  std::vector<float> deficits_;  // (D, K)
};

}  // namespace mgqe

// What codes alone say of a row's score. With L_j(c) = <q_j, centroid c of subspace j>, a row of
// codes c_1 .. c_D in exact arithmetic has the score
//   s = sum_j max_j - delta,   delta = sum_j (max_j - L_j(c_j)) >= 0.
// The score that counts, s', is a chain of d fmas in floats, and
//   |s' - s| <= gamma_d sum_i |q_i x_i| + d 2^-149,   gamma_d = d 2^-24 / (1 - d 2^-24)
// (Higham 2002, section 3.1; the last term is what underflow can cost). So s' >= bar only where
//   delta <= gap = sum_j max_j - bar + slack,
// where slack has that bound with sum_i |q_i x_i| at most what any codes give, and the roundings of
// the doubles that all this is computed in (d + D + 16 of them, relative 2^-52).
//
// In eight bits: q_j(c) = floor((max_j - L_j(c)) 254 / gap), at most 255. As floors only lower a
// sum, a row of delta <= gap has sum_j q_j <= 254; one whose saturating sum is 255 cannot enter.
#pragma once

#include <cstdint>
#include <vector>

#include "host/packed/packed_tiers.hpp"

namespace mgqe {

/// Entries of an eight-bit table of codes of so many bits: 64, 128 or 256. Codes of fewer than six
/// bits may come with anything above them: the table repeats.
inline int table_entries(int bits) { return bits <= 6 ? 64 : 1 << bits; }

/// Deficits of one query in one tier.
class Deficits {
 public:
  /// query (d).
  Deficits(const PackedTiers& table, int tier, const float* query);

  /// Eight-bit tables for a bar; false where no row of the tier reaches it. The tables stay while
  /// the gap has not shrunk by a fifth.
  bool quantize(double bar);
  /// Scores may overflow, or come near: the bound is no good, every row has to be scored.
  bool hopeless() const { return hopeless_; }
  /// (D, table_entries(bits)), each on 64 bytes.
  const uint8_t* tables() const { return aligned_; }

  /// Whether a row may reach the bar: its delta in doubles. False of one with a code beyond K.
  bool may_reach(const uint8_t* packed_row, double bar) const;

 private:
  double gap(double bar) const { return most_ - bar + slack_; }

  int bits_, centroids_, subspaces_;
  double most_ = 0.0, slack_ = 0.0;  // sum of max_j
  bool hopeless_ = false;
  double quantized_gap_ = -1.0;
  std::vector<double> deficits_;  // (D, K)
  std::vector<uint8_t> tables_;
  uint8_t* aligned_ = nullptr;
};

}  // namespace mgqe

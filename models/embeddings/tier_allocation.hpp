// Capacity from a byte budget: which ids may use how many centroids, so that what is lost is least.
//
// Of row i with K centroids, s_i e_i(K) is lost: e_i(K) = ||row - its centroids||^2, and s_i, its
// sensitivity, is the sum of squared gradients that training gave it (the loss's curvature along
// the row, by the Fisher approximation). Minimised is
//   sum_i s_i e_i(K_i) + lambda * bytes,
// with lambda bisected until the bytes fit the budget from below, for each largest codebook that
// a table may have; the plan that loses least stands. As ids are ranks of popularity and a tier is
// a range of them, K_i never rises with i: then nothing is stored of an id but its tier's end.
//
// Measured and not built: K_i of each id by its own s_i, with ids numbered anew by tier. On Frappe
// it loses up to half less by this sum, yet trains to a lower AUC (DLRM, 10% of the bytes, four
// seeds: 0.0011 below full tables, ranges 0.0005; at 12%, three seeds: both 0.0008). On
// MovieLens-1M the sum itself is within 3%.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mgqe {

/// Centroids that a tier may have.
inline constexpr std::array kTierCentroids = {256, 64, 16};

/// Tables whose ids are the same, and so are cut alike.
struct TierCosts {
  /// By number of kTierCentroids, (n): s_i e_i(K), ids by falling popularity.
  std::array<std::vector<double>, kTierCentroids.size()> lost;
  /// By the same: bytes of a packed row, of all tables together; of codebooks with as many
  /// centroids.
  std::array<int64_t, kTierCentroids.size()> row_bytes{}, codebook_bytes{};

  int64_t rows() const { return static_cast<int64_t>(lost[0].size()); }
};

struct TierPlan {
  std::vector<int> centroids;  // K_i, falling
  std::vector<int64_t> ends;   // of the tiers, the last one n
  int64_t bytes = 0;
  double lost = 0.0;
};

/// A plan for each, together of at most so many bytes. InputError with the least that works where
/// that is more.
std::vector<TierPlan> allocate_tiers(std::span<const TierCosts> tables, int64_t budget_bytes);

/// The plan for one at a price of a byte.
TierPlan cheapest_tiers(const TierCosts& costs, double price);

}  // namespace mgqe

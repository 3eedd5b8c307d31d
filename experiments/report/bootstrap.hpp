// Ratios of hit rates whose intervals count the users too: another draw of users would have given
// other figures, as another seed would.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "experiments/grid/run_store.hpp"
#include "experiments/report/statistics.hpp"

namespace mgqe {

/// Of each seed the hits within 10 of every user who was judged, in one order for all seeds.
using HitsBySeed = std::map<uint64_t, std::vector<double>>;

/// The hits of a stored run's users; InputError that names the run where their number or mean is
/// not that of its full-ranking HR@10 on test.
std::vector<double> hits_of_run(const RunRecord& run);

/// The mean over seeds of (mean hit of the numerator / that of the denominator), seeds paired, with
/// a 95% interval for other seeds and other users. Both are drawn anew `draws` times: the same
/// users for every seed and both sides (each user meets every seed), and one seed fewer than there
/// are, which leaves the variance of a mean over few seeds without bias (Rao and Wu's rescaling).
/// The half width is Student's t times the standard deviation of the draws, so that users who do
/// not vary give the interval of paired_ratio. Nothing where no seed is in both; no width for one
/// seed.
std::optional<Estimate> ratio_over_users(const HitsBySeed& numerator, const HitsBySeed& denominator,
                                         int draws = 2000);

}  // namespace mgqe

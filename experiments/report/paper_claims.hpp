// The claims of the paper, one by one, each as bounds on measured ratios.
#pragma once

#include <vector>

#include "experiments/report/claims.hpp"
#include "experiments/report/step_pairs.hpp"

namespace mgqe {

/// steps: training steps timed in turn, for the claim about speed.
std::vector<Claim> paper_claims(const Evidence& evidence, const std::vector<StepPair>& steps);

/// How far below the full table "on par" may be: ratios of quality, and of RMSE.
inline constexpr double kOnParSampled = 0.99;
inline constexpr double kOnParFull = 0.97;
inline constexpr double kOnParError = 1.01;

}  // namespace mgqe

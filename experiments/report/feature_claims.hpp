// Claims of ours about rows with many features, worked as the paper's are.
#pragma once

#include <vector>

#include "experiments/report/claims.hpp"

namespace mgqe {

/// features: the runs of feature_points().
std::vector<Claim> feature_claims(const Evidence& features);

}  // namespace mgqe

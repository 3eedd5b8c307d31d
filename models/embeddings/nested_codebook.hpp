// How far rows lie from codebooks whose first centroids are codebooks too.
#pragma once

#include <array>
#include <vector>

#include "host/engine/backend.hpp"
#include "models/embeddings/tier_allocation.hpp"

namespace mgqe {

/// Of rows (n, d): by number of kTierCentroids, (n) ||row - its centroids||^2 with the first so
/// many centroids of one codebook of D subspaces. It is made by k-means, the fewest first; what
/// there is stays as more come to it. seed: of the rows that centroids begin at.
std::array<std::vector<float>, kTierCentroids.size()> nested_errors(Backend& backend,
                                                                    const std::vector<float>& rows,
                                                                    int64_t dim, int subspaces,
                                                                    uint64_t seed);

}  // namespace mgqe

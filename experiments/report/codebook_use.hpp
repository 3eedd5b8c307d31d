// How runs used their codebooks, from the telemetry that the store keeps.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/evidence.hpp"

namespace mgqe {

/// One tier of one table, over the runs that tell of it.
struct TierUse {
  std::string table;  // "item"
  size_t tier;
  int64_t rows;
  int centroids;        // K_i
  double unused_share;  // of its D K_i centroids, mean over seeds
  Estimate perplexity;  // of at most K_i
};

struct CodebookUse {
  size_t runs = 0;       // that tell of it; older ones do not
  size_t collapsed = 0;  // runs with a tier that has collapsed (TierReport::collapsed)
  std::vector<TierUse> tiers;
};

CodebookUse codebook_use(const PointRuns& point);

}  // namespace mgqe

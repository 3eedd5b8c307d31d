#include "host/cpu/assign_task.hpp"

#include <algorithm>

namespace mgqe {
namespace {

/// Rows from `first` on that share a tier.
int64_t run_of_tier(const RowSet& rows, const Tiers& tiers, int64_t first, int tier) {
  const int64_t count = rows.size();
  int64_t last = first + 1;
  while (last < count && rows[last] < tiers.end[tier] && rows[last] >= tiers.begin(tier)) ++last;
  return last - first;
}

}  // namespace

void cut_blocks(RowSet rows, const Tiers& tiers, int block, int vector,
                std::vector<AssignBlock>& blocks) {
  blocks.clear();
  const int64_t count = rows.size();
  for (int64_t first = 0, run; first < count; first += run) {
    const int tier = tiers.tier_of(rows[first]);
    run = run_of_tier(rows, tiers, first, tier);
    if (tiers.centroids[tier] == 0) continue;
    const int64_t vectors = (run + vector - 1) / vector, cuts = (run + block - 1) / block;
    for (int64_t cut = 0; cut < cuts; ++cut) {
      const int64_t begin = vectors * cut / cuts * vector;
      const int64_t end = std::min(run, vectors * (cut + 1) / cuts * vector);
      blocks.push_back({first + begin, static_cast<int>(end - begin), tiers.centroids[tier]});
    }
  }
}

}  // namespace mgqe

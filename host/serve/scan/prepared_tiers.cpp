#include <algorithm>
#include <atomic>

#include "host/serve/scan/aligned_bytes.hpp"
#include "host/serve/scan/threads.hpp"
#include "host/serve/scan/tier_planes.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe {

PreparedTiers::PreparedTiers(const PackedTiers& table, int threads)
    : table_(table), codebooks_(std::make_shared<CodebookTables>(table, true)) {
  constexpr int64_t kPieceTiles = 8 * kBlockTiles;
  const ScanKernels& kernels = scan_kernels(ScanLevel::kBest);
  const CentroidGroups none;
  for (int t = 0; t < table.ranges.count; ++t) {
    if (table.tiers[t].bits == 0 || table.ranges.rows(t) == 0) continue;
    const TierPlanes whole(table, t, nullptr, kernels, none);
    const auto planes = aligned_bytes(whole.prepared_bytes());
    bytes_ += whole.prepared_bytes();
    std::atomic<int64_t> next{0};
    on_threads(std::min<int64_t>(threads, whole.tiles() / kPieceTiles), [&] {
      TierPlanes mine(table, t, nullptr, kernels, none);
      for (int64_t first = next.fetch_add(kPieceTiles); first < whole.tiles();
           first = next.fetch_add(kPieceTiles))
        mine.prepare(first, std::min(whole.tiles(), first + kPieceTiles), planes.get());
    });
    planes_[t] = planes;
  }
}

}  // namespace mgqe

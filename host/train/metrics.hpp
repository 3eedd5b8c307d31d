// HR@k and NDCG@k under ties, and their split by head and tail target items.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

enum class Split { kValid, kTest };

inline constexpr int kCutoff = 10;
inline constexpr double kHeadFraction = 0.1;  // the most popular tenth of the items is the head

/// Expected hit within the first k when `greater` candidates score strictly higher and the positive
/// is shuffled among `ties` others of its score: clamp((k - g) / (t + 1), 0, 1). 0 where k or more
/// are better, whatever the ties: of those RankCounts may know nothing.
double expected_hit(int64_t greater, int64_t ties, int k);

/// Expected 1/log2(rank + 1) within the first k under the same shuffle.
double expected_ndcg(int64_t greater, int64_t ties, int k);

/// Means over users; 0 where there are none.
struct MeanMetrics {
  double hr = 0.0;
  double ndcg = 0.0;
  int64_t users = 0;

  void add(int64_t greater, int64_t ties);
  /// Turns the sums into means.
  void finish();
};

struct SplitMetrics {
  MeanMetrics all, head, tail;  // by the popularity of the target item
};

struct Evaluation {
  SplitMetrics sampled, full;
  std::vector<double> full_hits;  // within 10 of all items, of each user judged, in their order
};

/// Means of no users are null.
/// {"sampled": {"hr@10", "ndcg@10", "users", "head": {...}, "tail": {...}}, "full": {...}}
nlohmann::ordered_json to_json(const Evaluation& evaluation);

}  // namespace mgqe

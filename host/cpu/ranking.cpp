// Ranking on the CPU: items in lanes. A tile of items is transposed into the first-level cache and
// scored against four users at a time; each score is one fma chain in dimension order
// (ranking_score), so items with equal codes tie exactly wherever they stand.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/ranking.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/fused_multiply-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
constexpr int kVectors = 4;  // vectors of items in a tile
constexpr int kUsers = 4;    // users scored together: 16 independent fma chains

/// Counts the items of one transposed tile (d, kVectors x lanes), of which `valid` are real, that
/// beat or tie each of kUsers users' positives.
void count_tile(const float* HWY_RESTRICT tile, int64_t d, int valid, const float* const* users,
                const float* positive_scores, int32_t* greater, int32_t* ties) {
  const Tag tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  hn::Vec<Tag> scores[kUsers][kVectors];
  for (auto& row : scores)
    for (auto& score : row) score = hn::Zero(tag);
  for (int64_t i = 0; i < d; ++i) {
    const float* HWY_RESTRICT column = tile + i * kVectors * lanes;
    const auto v0 = hn::Load(tag, column), v1 = hn::Load(tag, column + lanes);
    const auto v2 = hn::Load(tag, column + 2 * lanes), v3 = hn::Load(tag, column + 3 * lanes);
    for (int m = 0; m < kUsers; ++m) {
      const auto u = hn::Set(tag, users[m][i]);
      scores[m][0] = fused_multiply_add(tag, u, v0, scores[m][0]);
      scores[m][1] = fused_multiply_add(tag, u, v1, scores[m][1]);
      scores[m][2] = fused_multiply_add(tag, u, v2, scores[m][2]);
      scores[m][3] = fused_multiply_add(tag, u, v3, scores[m][3]);
    }
  }
  for (int m = 0; m < kUsers; ++m) {
    const auto positive = hn::Set(tag, positive_scores[m]);
    size_t not_better = 0, same = 0;
    for (int v = 0; v < kVectors; ++v) {
      const int here = std::clamp(valid - v * lanes, 0, lanes);
      const auto real = hn::FirstN(tag, static_cast<size_t>(here));
      not_better += hn::CountTrue(tag, hn::And(real, hn::Le(scores[m][v], positive)));
      same += hn::CountTrue(tag, hn::And(real, hn::Eq(scores[m][v], positive)));
    }
    greater[m] += valid - static_cast<int32_t>(not_better);
    ties[m] += static_cast<int32_t>(same);
  }
}

/// Adds to counts over all items of the chunk, the positive included, for users [begin, end).
void count_all_items(const RankQuery& query, RankCounts counts, int64_t begin, int64_t end) {
  const Tag tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  const int tile_items = kVectors * lanes;
  const int64_t d = query.items.cols;
  HWY_ALIGN float tile[kMaxDim * kVectors * hn::MaxLanes(tag)];
  for (int64_t first = 0; first < query.items.rows; first += tile_items) {
    const int valid = static_cast<int>(std::min<int64_t>(tile_items, query.items.rows - first));
    for (int r = 0; r < tile_items; ++r) {
      const float* item = query.items.row(first + std::min(r, valid - 1));
      for (int64_t i = 0; i < d; ++i) tile[i * tile_items + r] = item[i];
    }
    for (int64_t m = begin; m < end; m += kUsers) {
      const float* users[kUsers];
      float scores[kUsers];
      int32_t greater[kUsers] = {}, ties[kUsers] = {};
      const int64_t here = std::min<int64_t>(kUsers, end - m);
      for (int64_t s = 0; s < kUsers; ++s) {  // a short group repeats its last user
        users[s] = query.users.row(m + std::min(s, here - 1));
        scores[s] = query.positives.scores[m + std::min(s, here - 1)];
      }
      count_tile(tile, d, valid, users, scores, greater, ties);
      for (int64_t s = 0; s < here; ++s) {
        counts.greater[m + s] += greater[s];
        counts.ties[m + s] += ties[s];
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(count_all_items);

namespace {

constexpr int64_t kUserGrain = 8;

/// Adds `sign` to the count an item of the chunk belongs to; others are left out. NaN counts as
/// greater.
inline void count_item(const RankQuery& query, int64_t m, int32_t item, int sign,
                       RankCounts counts) {
  const int64_t place = query.chunk.place(item);
  if (place < 0) return;
  const float positive = query.positives.scores[m];
  const float score = ranking_score(query.users.row(m), query.items.row(place), query.items.cols);
  if (!(score <= positive)) counts.greater[m] += sign;
  if (score == positive) counts.ties[m] += sign;
}

}  // namespace

void CpuBackend::count_items(const RankQuery& query, Histories excluded, RankCounts counts) {
  const int64_t users = query.users.rows;
  MGQE_CHECK(query.items.cols <= kMaxDim, "dimension ", query.items.cols);
  const auto count_all = HWY_DYNAMIC_DISPATCH(count_all_items);
  parallel_pieces(users, kUserGrain,
                  [&](int64_t begin, int64_t end) { count_all(query, counts, begin, end); });
  // Take back the positive itself, then every excluded item but the positive.
  parallel_ranges(users, kUserGrain, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const int32_t positive = query.positives.items[m];
      count_item(query, m, positive, -1, counts);
      const int32_t* item = excluded.begin(m);
      for (int64_t i = 0; i < excluded.length(m); ++i)
        if (item[i] != positive) count_item(query, m, item[i], -1, counts);
    }
  });
}

void CpuBackend::count_candidates(const RankQuery& query, View<const int32_t> candidates,
                                  RankCounts counts) {
  parallel_ranges(query.users.rows, kUserGrain, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const int32_t* row = candidates.row(m);
      for (int64_t i = 0; i < candidates.cols; ++i) count_item(query, m, row[i], 1, counts);
    }
  });
}

}  // namespace mgqe
#endif

// Ranking on the CPU: items in lanes. A tile of items is transposed into the first-level cache and
// scored against four users at a time; each score is one fma chain in dimension order
// (ranking_score), so items with equal codes tie exactly wherever they stand. Users drop out who
// have as many better items as are asked about: early, where popular items come first.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/ranking.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

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

/// Adds to counts over all items of the chunk, the positive included, for those of `open` who have
/// not enough; the others leave it.
void count_all_items(const RankQuery& query, RankCounts counts, std::vector<int64_t>& open) {
  const Tag tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  const int tile_items = kVectors * lanes;
  const int64_t d = query.items.cols;
  const auto has_enough = [&](int64_t m) { return counts.greater[m] >= query.enough; };
  HWY_ALIGN float tile[kMaxDim * kVectors * hn::MaxLanes(tag)];
  for (int64_t first = 0; first < query.items.rows; first += tile_items) {
    std::erase_if(open, has_enough);
    if (open.empty()) return;
    const int valid = static_cast<int>(std::min<int64_t>(tile_items, query.items.rows - first));
    for (int r = 0; r < tile_items; ++r) {
      const float* item = query.items.row(first + std::min(r, valid - 1));
      for (int64_t i = 0; i < d; ++i) tile[i * tile_items + r] = item[i];
    }
    for (size_t m = 0; m < open.size(); m += kUsers) {
      const float* users[kUsers];
      float scores[kUsers];
      int32_t greater[kUsers] = {}, ties[kUsers] = {};
      const size_t here = std::min<size_t>(kUsers, open.size() - m);
      for (size_t s = 0; s < kUsers; ++s) {  // a short group repeats its last user
        const int64_t user = open[m + std::min(s, here - 1)];
        users[s] = query.users.row(user);
        scores[s] = query.positives.scores[user];
      }
      count_tile(tile, d, valid, users, scores, greater, ties);
      for (size_t s = 0; s < here; ++s) {
        counts.greater[open[m + s]] += greater[s];
        counts.ties[open[m + s]] += ties[s];
      }
    }
  }
}

/// Adds `sign` for each of a user's items that is in the chunk and not `but`, to the count it is
/// of. NaN counts as greater. A score is a chain, so several are computed beside one another.
void count_listed(const RankQuery& query, int64_t m, std::span<const int32_t> items, int32_t but,
                  int sign, RankCounts counts) {
  constexpr int kChains = 8;
  const int64_t d = query.items.cols;
  const float* user = query.users.row(m);
  const float positive = query.positives.scores[m];
  const float* rows[kChains];
  int held = 0;
  const auto count_held = [&] {
    for (int r = held; r < kChains; ++r) rows[r] = rows[0];
    float scores[kChains] = {};
    for (int64_t i = 0; i < d; ++i)
      for (int r = 0; r < kChains; ++r) scores[r] = std::fma(user[i], rows[r][i], scores[r]);
    for (int r = 0; r < held; ++r) {
      if (!(scores[r] <= positive)) counts.greater[m] += sign;
      if (scores[r] == positive) counts.ties[m] += sign;
    }
    held = 0;
  };
  for (const int32_t item : items) {
    const int64_t place = item == but ? -1 : query.chunk.place(item);
    if (place < 0) continue;
    rows[held++] = query.items.row(place);
    if (held == kChains) count_held();
  }
  if (held > 0) count_held();
}

constexpr int32_t kNoItem = -1;

/// Users [begin, end): takes back the positive itself, then every excluded item but the positive.
void take_back_excluded(const RankQuery& query, Histories excluded, RankCounts counts,
                        int64_t begin, int64_t end) {
  for (int64_t m = begin; m < end; ++m) {
    if (counts.greater[m] >= query.enough) continue;
    const int32_t positive = query.positives.items[m];
    const auto length = static_cast<size_t>(excluded.length(m));
    count_listed(query, m, {&positive, 1}, kNoItem, -1, counts);
    count_listed(query, m, {excluded.begin(m), length}, positive, -1, counts);
  }
}

void count_candidates_of(const RankQuery& query, View<const int32_t> candidates, RankCounts counts,
                         int64_t begin, int64_t end) {
  const auto length = static_cast<size_t>(candidates.cols);
  for (int64_t m = begin; m < end; ++m)
    count_listed(query, m, {candidates.row(m), length}, kNoItem, 1, counts);
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(count_all_items);
HWY_EXPORT(take_back_excluded);
HWY_EXPORT(count_candidates_of);

namespace {

constexpr int64_t kUserGrain = 8;

}  // namespace

void CpuBackend::count_items(const RankQuery& query, Histories excluded, RankCounts counts) {
  const int64_t users = query.users.rows;
  MGQE_CHECK(query.items.cols <= kMaxDim, "dimension ", query.items.cols);
  const auto count_all = HWY_DYNAMIC_DISPATCH(count_all_items);
  const auto take_back = HWY_DYNAMIC_DISPATCH(take_back_excluded);
  // Before they are counted: so a count that has reached `enough` stays there.
  parallel_pieces(users, kUserGrain, [&](int64_t begin, int64_t end) {
    take_back(query, excluded, counts, begin, end);
  });
  parallel_pieces(users, kUserGrain, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> open(static_cast<size_t>(end - begin));
    std::iota(open.begin(), open.end(), begin);
    count_all(query, counts, open);
  });
}

void CpuBackend::count_candidates(const RankQuery& query, View<const int32_t> candidates,
                                  RankCounts counts) {
  const auto count = HWY_DYNAMIC_DISPATCH(count_candidates_of);
  parallel_pieces(query.users.rows, kUserGrain, [&](int64_t begin, int64_t end) {
    count(query, candidates, counts, begin, end);
  });
}

}  // namespace mgqe
#endif

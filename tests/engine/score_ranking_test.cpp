// Ranking of scores that a backbone computed itself, on every back end, against brute force.
#include <algorithm>
#include <set>

#include "tests/support/chunks.hpp"
#include "tests/support/scale.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

struct Counts {
  std::vector<int32_t> greater, ties;
  bool operator==(const Counts&) const = default;
};

/// Adds one candidate's score; what cannot be compared counts as better.
void add(Counts& counts, size_t m, float score, float positive) {
  if (score == positive)
    ++counts.ties[m];
  else if (!(score < positive))
    ++counts.greater[m];
}

class ScoreRanking : public OnEveryBackend {
 protected:
  /// What `count` adds of every chunk to counts that begin at 0.
  template <class Count>
  Counts over_chunks(const std::vector<float>& scores, const std::vector<int32_t>& positives,
                     const std::vector<ItemChunk>& chunks, const Count& count) {
    const auto users = static_cast<int64_t>(positives.size());
    const int64_t items = static_cast<int64_t>(scores.size()) / users;
    std::vector<float> of_positives;
    for (int64_t m = 0; m < users; ++m) of_positives.push_back(scores[m * items + positives[m]]);
    const Tensor<int32_t> p = tensor(positives);
    const Tensor<float> p_scores = tensor(of_positives);
    Tensor<int32_t> greater(backend(), users), ties(backend(), users);
    for (const ItemChunk& chunk : chunks) {
      const Tensor<float> columns = tensor(columns_of(scores, items, chunk), chunk.rows);
      count(ScoreQuery{columns, chunk, {p, p_scores}}, RankCounts{greater, ties});
    }
    return {greater.to_host(), ties.to_host()};
  }
  Counts count_all(const std::vector<float>& scores, const std::vector<int32_t>& positives,
                   const std::vector<std::set<int32_t>>& excluded,
                   const std::vector<ItemChunk>& chunks) {
    std::vector<int64_t> offsets = {0};
    std::vector<int32_t> items;
    for (const auto& of_user : excluded) {
      items.insert(items.end(), of_user.begin(), of_user.end());
      offsets.push_back(static_cast<int64_t>(items.size()));
    }
    const Tensor<int64_t> o = tensor(offsets);
    const Tensor<int32_t> e = tensor(items);
    return over_chunks(scores, positives, chunks, [&](const ScoreQuery& query, RankCounts counts) {
      backend().count_scores(query, {o, e}, counts);
    });
  }
  Counts count_candidates(const std::vector<float>& scores, const std::vector<int32_t>& positives,
                          const std::vector<int32_t>& candidates,
                          const std::vector<ItemChunk>& chunks) {
    const auto width = static_cast<int64_t>(candidates.size() / positives.size());
    const Tensor<int32_t> c = tensor(candidates, width);
    return over_chunks(scores, positives, chunks, [&](const ScoreQuery& query, RankCounts counts) {
      backend().count_candidate_scores(query, c, counts);
    });
  }
};

TEST_P(ScoreRanking, AllItemsButTheExcluded) {
  Random random(1);
  for (const auto& [users, items] : std::vector<std::pair<int, int>>{
           {1, 1}, {1, 2}, {3, 63}, {9, 65}, {50, static_cast<int>(scaled(777, 267))}}) {
    // Few distinct scores: many ties.
    const auto scores = random.integers<float>(users * items, -20, 20);
    const auto positives = random.integers<int32_t>(users, 0, items - 1);
    std::vector<std::set<int32_t>> excluded(users);  // may hold the positive: it is not counted
    for (int m = 1; m < users; ++m)
      for (const int32_t item : random.integers<int32_t>(items / 4, 0, items - 1))
        excluded[m].insert(item);
    Counts expected{std::vector<int32_t>(users), std::vector<int32_t>(users)};
    for (int m = 0; m < users; ++m)
      for (int i = 0; i < items; ++i)
        if (i != positives[m] && !excluded[m].contains(i))
          add(expected, m, scores[m * items + i], scores[m * items + positives[m]]);
    for (const Cut& cut : cuts_of(items))
      EXPECT_EQ(count_all(scores, positives, excluded, cut.chunks), expected)
          << users << " x " << items << ", " << cut.name;
  }
}

/// So many scores that several blocks of a GPU count for one user.
TEST_P(ScoreRanking, SlicesOfOneUserAddUp) {
  Random random(3);
  const int users = 2, items = 5000;
  const auto scores = random.integers<float>(users * items, -20, 20);
  const std::vector<int32_t> positives = {4321, 7};
  Counts expected{std::vector<int32_t>(users), std::vector<int32_t>(users)};
  for (int m = 0; m < users; ++m)
    for (int i = 0; i < items; ++i)
      if (i != positives[m])
        add(expected, m, scores[m * items + i], scores[m * items + positives[m]]);
  EXPECT_EQ(count_all(scores, positives, {{}, {}}, chunks_of(items, items)), expected);
}

TEST_P(ScoreRanking, Candidates) {
  Random random(2);
  const int users = 21, items = 40, count = 13;
  const auto scores = random.integers<float>(users * items, -9, 9);
  const auto positives = random.integers<int32_t>(users, 0, items - 1);
  auto candidates = random.integers<int32_t>(users * count, -1, items - 1);
  for (int m = 0; m < users; ++m)  // the positive is never its own candidate
    for (int i = 0; i < count; ++i)
      if (candidates[m * count + i] == positives[m]) candidates[m * count + i] = -1;
  Counts expected{std::vector<int32_t>(users), std::vector<int32_t>(users)};
  for (int m = 0; m < users; ++m)
    for (int i = 0; i < count; ++i)
      if (const int32_t item = candidates[m * count + i]; item >= 0)
        add(expected, m, scores[m * items + item], scores[m * items + positives[m]]);
  for (const Cut& cut : cuts_of(items))
    EXPECT_EQ(count_candidates(scores, positives, candidates, cut.chunks), expected) << cut.name;
}

TEST_P(ScoreRanking, BrokenScoresNeverLookGood) {
  const int items = 20;
  std::vector<float> scores(3 * items, 1.0f);
  std::fill_n(scores.begin(), items, NAN);  // a broken user
  scores[items + 3] = NAN;                  // a broken positive
  scores[2 * items + 7] = NAN;              // a broken candidate
  const std::vector<int32_t> positives = {3, 3, 3};
  for (const Cut& cut : cuts_of(items)) {
    SCOPED_TRACE(cut.name);
    EXPECT_EQ(count_all(scores, positives, {{0, 3}, {0}, {0}}, cut.chunks),
              (Counts{{items - 2, items - 2, 1}, {0, 0, items - 3}}));
    EXPECT_EQ(count_candidates(scores, positives, {0, 7, -1, 0, 7, -1, 0, 7, -1}, cut.chunks),
              (Counts{{2, 2, 1}, {0, 0, 1}}));
  }
}

MGQE_ON_EVERY_BACKEND(ScoreRanking);

}  // namespace
}  // namespace mgqe::testing

// Counts over given scores against naive loops: exact, on every schedule and grid.
#include <set>

#include "tests/kernels/kernel_testing.hpp"
#include "tests/support/chunks.hpp"
// Kernel bodies come after the harness.
#include "cuda/score_ranking_kernel.cuh"

namespace mgqe {
namespace {

struct Problem {
  int64_t users, items;
  Buffer<float> scores;
  Buffer<int32_t> positives;
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> excluded;  // some users' lists hold the positive, some are empty

  Problem(int64_t users, int64_t items)
      : users(users),
        items(items),
        scores(testing::Random(1).integers<float>(users * items, -5, 5), items),
        positives(testing::Random(2).integers<int32_t>(users, 0, static_cast<int>(items) - 1)) {
    testing::Random random(3);
    for (int64_t m = 0; m < users; ++m) {
      std::set<int32_t> list;
      if (m % 3 != 0)
        for (const int32_t item : random.integers<int32_t>(m % 40, 0, static_cast<int>(items) - 1))
          list.insert(item);
      if (m % 3 == 1) list.insert(positives[m]);
      excluded.insert(excluded.end(), list.begin(), list.end());
      offsets.push_back(static_cast<int64_t>(excluded.size()));
    }
  }
  bool excludes(int64_t m, int32_t item) const {
    return std::find(excluded.begin() + offsets[m], excluded.begin() + offsets[m + 1], item) !=
           excluded.begin() + offsets[m + 1];
  }
};

/// Calls launch(query) for every chunk.
template <class Launch>
void over_chunks(const Problem& problem, const std::vector<ItemChunk>& chunks,
                 const Launch& launch) {
  std::vector<float> of_positives;
  for (int64_t m = 0; m < problem.users; ++m)
    of_positives.push_back(problem.scores.row(m)[problem.positives[m]]);
  const Buffer<float> positive_scores(of_positives);
  for (const ItemChunk& chunk : chunks) {
    const Buffer<float> columns(testing::columns_of(problem.scores.values(), problem.items, chunk),
                                chunk.rows);
    launch(ScoreQuery{columns, chunk, {problem.positives, positive_scores}});
  }
}

struct Counts {
  std::vector<int32_t> greater, ties;
  explicit Counts(int64_t users) : greater(users, 0), ties(users, 0) {}
  void add(int64_t m, float score, float positive) {
    const bool tied = score == positive, below = score < positive;
    ties[m] += tied;
    greater[m] += !tied && !below;
  }
};

void expect_counts(const Problem& problem, const std::vector<ItemChunk>& chunks) {
  Counts expected(problem.users);
  for (int64_t m = 0; m < problem.users; ++m)
    for (int32_t item = 0; item < problem.items; ++item)
      if (item != problem.positives[m] && !problem.excludes(m, item))
        expected.add(m, problem.scores.row(m)[item], problem.scores.row(m)[problem.positives[m]]);
  const Buffer<int64_t> offsets(problem.offsets);
  const Buffer<int32_t> excluded(problem.excluded);
  for (const uint64_t seed : kScheduleSeeds)
    for (const dim3 grid : {dim3(1, 1), dim3(3, 2), dim3(2, 50)}) {
      SCOPED_TRACE(::testing::Message()
                   << problem.users << " users, " << problem.items << " items, seed " << seed
                   << ", grid " << grid.x << " x " << grid.y);
      const Buffer<int32_t> greater(std::vector<int32_t>(problem.users, 0));
      const Buffer<int32_t> ties(std::vector<int32_t>(problem.users, 0));
      const RankCounts counts{greater, ties};
      over_chunks(problem, chunks, [&](const ScoreQuery& query) {
        simt::launch(1, kScoreThreads, 0, seed, take_back_scores_kernel, query,
                     Histories{offsets, excluded}, counts);
        simt::launch(grid, kScoreThreads, 0, seed, count_scores_kernel, query, counts);
      });
      expect_same_bits(greater.values(), expected.greater);
      expect_same_bits(ties.values(), expected.ties);
    }
}

TEST(ScoreRankingKernels, MatchANaiveCountOverAll) {
  for (const int64_t users : {1, 9, 40})
    for (const int64_t items : {1, 255, 256, 700})
      expect_counts(Problem(users, items), {{0, items, 1}});
}

TEST(ScoreRankingKernels, CountTheSameInAnyCut) {
  const Problem problem(9, 60);
  for (const testing::Cut& cut : testing::cuts_of(60)) {
    SCOPED_TRACE(cut.name);
    expect_counts(problem, cut.chunks);
  }
}

TEST(ScoreRankingKernels, CountScoresThatDoNotCompareAsGreater) {
  const Problem problem(4, 300);
  problem.scores.row(0)[problem.positives[0] == 7 ? 8 : 7] = NAN;
  problem.scores.row(2)[problem.positives[2]] = NAN;
  expect_counts(problem, {{0, 300, 1}});
}

TEST(ScoreRankingKernels, MatchANaiveCountOverCandidates) {
  for (const int64_t width : {1, 31, 100}) {
    const Problem problem(11, 90);
    const Buffer<int32_t> candidates(testing::Random(4).integers<int32_t>(11 * width, -1, 89),
                                     width);
    Counts expected(11);
    for (int64_t m = 0; m < 11; ++m)
      for (int64_t i = 0; i < width; ++i)
        if (candidates.row(m)[i] >= 0)
          expected.add(m, problem.scores.row(m)[candidates.row(m)[i]],
                       problem.scores.row(m)[problem.positives[m]]);
    for (const uint64_t seed : kScheduleSeeds) {
      const Buffer<int32_t> greater(std::vector<int32_t>(11, 0));
      const Buffer<int32_t> ties(std::vector<int32_t>(11, 0));
      over_chunks(problem, testing::chunks_of(90, 31, 2), [&](const ScoreQuery& query) {
        simt::launch(1, kScoreThreads, 0, seed, count_candidate_scores_kernel, query,
                     candidates.view(), RankCounts{greater, ties});
      });
      expect_same_bits(greater.values(), expected.greater);
      expect_same_bits(ties.values(), expected.ties);
    }
  }
}

}  // namespace
}  // namespace mgqe

// Ranking counts against naive loops: exact, because scores are whole numbers or the same fma
// chain.
#include <set>

#include "tests/kernels/kernel_testing.hpp"
#include "tests/support/chunks.hpp"
// Kernel bodies come after the harness.
#include "cuda/ranking_kernel.cuh"

namespace mgqe {
namespace {

struct Problem {
  int64_t users_count, items_count, d;
  Buffer<float> users, items;
  Buffer<int32_t> positives;
  std::vector<std::set<int32_t>> excluded;  // some lists hold the positive, some are empty

  Problem(int64_t M, int64_t n, int64_t d, bool whole, uint64_t seed)
      : users_count(M),
        items_count(n),
        d(d),
        users(numbers(whole, M * d, seed), d),
        items(numbers(whole, n * d, seed + 1), d),
        positives(testing::Random(seed + 2).integers<int32_t>(M, 0, static_cast<int>(n) - 1)),
        excluded(M) {
    testing::Random random(seed + 3);
    for (int64_t m = 0; m < M; ++m) {
      const int64_t length = m % 3 == 0 ? 0 : m % 3 == 1 ? 3 : 50;
      for (const int32_t item : random.integers<int32_t>(length, 0, static_cast<int>(n) - 1))
        excluded[m].insert(item);
      if (m % 6 == 1) excluded[m].insert(positives[m]);
    }
    for (int64_t i = 3; i < n; i += 7)  // items with the same vector tie exactly, wherever they are
      std::copy_n(items.row(i / 2), d, items.row(i));
  }
  static std::vector<float> numbers(bool whole, int64_t n, uint64_t seed) {
    testing::Random random(seed);
    return whole ? random.integers<float>(n, -2, 2) : random.normals(n);
  }
  float score(int64_t m, int64_t item) const {
    float sum = 0.0f;
    for (int64_t i = 0; i < d; ++i) sum = std::fma(users.row(m)[i], items.row(item)[i], sum);
    return sum;
  }
  std::vector<float> positive_scores() const {
    std::vector<float> scores;
    for (int64_t m = 0; m < users_count; ++m) scores.push_back(score(m, positives[m]));
    return scores;
  }
  std::vector<ItemChunk> whole() const { return {{0, items_count, 1}}; }
};

/// Calls launch(query) for every chunk.
template <class Launch>
void over_chunks(const Problem& problem, const std::vector<ItemChunk>& chunks,
                 const Launch& launch) {
  const Buffer<float> positive_scores(problem.positive_scores());
  for (const ItemChunk& chunk : chunks) {
    const Buffer<float> rows(testing::rows_of(problem.items.values(), problem.d, chunk), problem.d);
    launch(RankQuery{problem.users, rows, chunk, {problem.positives, positive_scores}});
  }
}

struct Counts {
  std::vector<int32_t> greater, ties;
  explicit Counts(int64_t M) : greater(M, 0), ties(M, 0) {}
  void add(int64_t m, float score, float positive) {
    const bool tied = score == positive, below = score < positive;
    ties[m] += tied;
    greater[m] += !tied && !below;  // NaN on either side is neither: it counts as greater
  }
};

Counts expected_over_all(const Problem& problem) {
  Counts counts(problem.users_count);
  for (int64_t m = 0; m < problem.users_count; ++m)
    for (int32_t item = 0; item < problem.items_count; ++item)
      if (item != problem.positives[m] && !problem.excluded[m].contains(item))
        counts.add(m, problem.score(m, item), problem.score(m, problem.positives[m]));
  return counts;
}

void expect_ranked_over_all(const Problem& problem, const std::vector<ItemChunk>& chunks) {
  const int64_t M = problem.users_count;
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> list;
  for (const auto& items : problem.excluded) {
    list.insert(list.end(), items.begin(), items.end());
    offsets.push_back(static_cast<int64_t>(list.size()));
  }
  const Buffer<int64_t> offset_buffer(offsets);
  const Buffer<int32_t> item_buffer(list);
  const Histories excluded{offset_buffer, item_buffer};
  const Counts expected = expected_over_all(problem);
  for (const uint64_t seed : kScheduleSeeds) {
    SCOPED_TRACE(::testing::Message() << M << " users, " << problem.items_count << " items, d "
                                      << problem.d << ", seed " << seed);
    const Buffer<int32_t> greater(std::vector<int32_t>(M, 0)), ties(std::vector<int32_t>(M, 0));
    const RankCounts counts{greater, ties};
    over_chunks(problem, chunks, [&](const RankQuery& query) {
      simt::launch(dim3(blocks_of(M, kTileUsers), static_cast<unsigned>(seed)), kRankThreads, 0,
                   seed, count_all_kernel, query, counts);
      simt::launch(2, kRankThreads, 0, seed, take_back_excluded_kernel, query, excluded, counts);
    });
    expect_same_bits(greater.values(), expected.greater);
    expect_same_bits(ties.values(), expected.ties);
  }
}

TEST(RankAllKernels, MatchANaiveCount) {
  for (const int64_t M : {1, 31, 33})
    for (const int64_t n : {1, 63, 64, 65, 200})
      for (const int64_t d : {1, 3, 32, 33, 64, 100})
        expect_ranked_over_all(Problem(M, n, d, (n + d) % 2 == 0, 10 * M + n + d), {{0, n, 1}});
}

TEST(RankAllKernels, CountTheSameInAnyCut) {
  const Problem problem(33, 90, 17, true, 5);
  for (const testing::Cut& cut : testing::cuts_of(90)) {
    SCOPED_TRACE(cut.name);
    expect_ranked_over_all(problem, cut.chunks);
  }
}

TEST(RankAllKernels, CountScoresThatDoNotCompareAsGreater) {
  const Problem problem(9, 70, 5, false, 1);
  problem.items.row(11)[2] = NAN;                    // one bad item: above everyone's positive
  problem.users.row(4)[0] = NAN;                     // one bad user: all items above
  problem.items.row(problem.positives[7])[1] = NAN;  // a bad positive
  expect_ranked_over_all(problem, problem.whole());
  const Counts counts = expected_over_all(problem);
  EXPECT_GE(counts.greater[0], 1);
  const auto candidates = [&](int64_t m) {
    return 70 - 1 - static_cast<int64_t>(problem.excluded[m].size()) +
           problem.excluded[m].contains(problem.positives[m]);
  };
  EXPECT_EQ(counts.greater[4], candidates(4));
  EXPECT_EQ(counts.greater[7], candidates(7));
}

TEST(CountCandidatesKernel, MatchesANaiveCount) {
  for (const int64_t M : {1, 5, 40})
    for (const int64_t width : {1, 32, 33, 100})
      for (const bool whole : {true, false}) {
        const Problem problem(M, 90, 17, whole, M + width);
        if (M == 40) problem.users.row(12)[3] = NAN;
        const Buffer<int32_t> candidates(testing::Random(M).integers<int32_t>(M * width, -1, 89),
                                         width);
        Counts expected(M);
        for (int64_t m = 0; m < M; ++m)
          for (int64_t i = 0; i < width; ++i)
            if (candidates.row(m)[i] >= 0)
              expected.add(m, problem.score(m, candidates.row(m)[i]),
                           problem.score(m, problem.positives[m]));
        for (const uint64_t seed : kScheduleSeeds) {
          for (const auto& chunks : {problem.whole(), testing::chunks_of(90, 31, 2)}) {
            const Buffer<int32_t> greater(std::vector<int32_t>(M, 0));
            const Buffer<int32_t> ties(std::vector<int32_t>(M, 0));
            over_chunks(problem, chunks, [&](const RankQuery& query) {
              simt::launch(3, kRankThreads, 0, seed, count_candidates_kernel, query,
                           candidates.view(), RankCounts{greater, ties});
            });
            expect_same_bits(greater.values(), expected.greater);
            expect_same_bits(ties.values(), expected.ties);
          }
        }
      }
}

}  // namespace
}  // namespace mgqe

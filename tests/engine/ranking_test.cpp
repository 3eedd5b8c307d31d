// Ranking counts on every back end, and the metrics made of them, against brute force.
#include <algorithm>
#include <numeric>
#include <set>

#include "host/train/metrics.hpp"
#include "tests/support/chunks.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// The documented score: one fma chain in dimension order.
float score(const float* user, const float* item, int dim) {
  float sum = 0.0f;
  for (int c = 0; c < dim; ++c) sum = std::fma(user[c], item[c], sum);
  return sum;
}

struct Counts {
  std::vector<int32_t> greater, ties;
  bool operator==(const Counts&) const = default;
};

class Ranking : public OnEveryBackend {
 protected:
  /// Scores of the positives, as evaluation finds them before it sees the first chunk.
  Tensor<float> positive_scores(View<const float> users, View<const float> items,
                                View<const int32_t> positives) {
    Tensor<float> rows(backend(), users.rows, users.cols), scores(backend(), users.rows);
    backend().gather(items, positives, rows);
    backend().score_pairs(users, rows, scores);
    return scores;
  }
  /// What `count` adds of every chunk to counts that begin at 0.
  template <class Count>
  Counts over_chunks(const std::vector<float>& users, const std::vector<float>& items, int64_t dim,
                     const std::vector<int32_t>& positives, const std::vector<ItemChunk>& chunks,
                     const Count& count) {
    const Tensor<float> u = tensor(users, dim), q = tensor(items, dim);
    const Tensor<int32_t> p = tensor(positives);
    const Tensor<float> scores = positive_scores(u, q, p);
    Tensor<int32_t> greater(backend(), p.rows()), ties(backend(), p.rows());
    for (const ItemChunk& chunk : chunks) {
      const Tensor<float> rows = tensor(rows_of(items, dim, chunk), dim);
      count(RankQuery{u, rows, chunk, {p, scores}}, RankCounts{greater, ties});
    }
    return {greater.to_host(), ties.to_host()};
  }
};

TEST_P(Ranking, AllItemsButTheExcluded) {
  Random random(1);
  for (const auto& [users, items, dim] :
       std::vector<std::tuple<int, int, int>>{{1, 2, 1}, {3, 63, 5}, {9, 65, 16}, {50, 777, 64}}) {
    const auto u = random.normals(users * dim);
    auto q = random.normals(items * dim);
    for (int i = 0; i + 1 < items; i += 3)  // every third item has a twin: exact ties
      std::copy_n(&q[i * dim], dim, &q[(i + 1) * dim]);
    const auto positives = random.integers<int32_t>(users, 0, items - 1);
    std::vector<int64_t> offsets = {0};
    std::vector<int32_t> excluded;
    for (int m = 0; m < users; ++m) {
      std::set<int32_t> seen;
      for (const int32_t item : random.integers<int32_t>(items / 4, 0, items - 1))
        seen.insert(item);  // may hold the positive, which stays a candidate
      excluded.insert(excluded.end(), seen.begin(), seen.end());
      offsets.push_back(static_cast<int64_t>(excluded.size()));
    }
    const Tensor<int32_t> e_device = tensor(excluded);
    const Tensor<int64_t> o_device = tensor(offsets);
    Counts expected{std::vector<int32_t>(users), std::vector<int32_t>(users)};
    for (int m = 0; m < users; ++m) {
      const float positive = score(&u[m * dim], &q[positives[m] * dim], dim);
      for (int i = 0; i < items; ++i) {
        if (i == positives[m] ||
            std::binary_search(excluded.data() + offsets[m], excluded.data() + offsets[m + 1], i))
          continue;
        const float s = score(&u[m * dim], &q[i * dim], dim);
        expected.greater[m] += s > positive;
        expected.ties[m] += s == positive;
      }
    }
    for (const Cut& cut : cuts_of(items))
      EXPECT_EQ(over_chunks(u, q, dim, positives, cut.chunks,
                            [&](const RankQuery& query, RankCounts counts) {
                              backend().count_items(query, {o_device, e_device}, counts);
                            }),
                expected)
          << items << " items, " << cut.name;
  }
}

TEST_P(Ranking, EnoughBetterItemsNeedNotAllBeCounted) {
  constexpr int kUsers = 37, kItems = 900, kDim = 8, kEnough = 10;
  Random random(11);
  const auto u = random.normals(kUsers * kDim);
  auto q = random.normals(kItems * kDim);
  for (int i = 0; i + 1 < kItems; i += 3) std::copy_n(&q[i * kDim], kDim, &q[(i + 1) * kDim]);
  // Positives of all ranks: a fifth of the users have their best item, or one near it.
  std::vector<int32_t> positives = random.integers<int32_t>(kUsers, 0, kItems - 1), excluded;
  std::vector<int64_t> offsets = {0};
  for (int m = 0; m < kUsers; ++m) {
    std::vector<int32_t> best(kItems);
    std::iota(best.begin(), best.end(), 0);
    std::sort(best.begin(), best.end(), [&](int32_t a, int32_t b) {
      return score(&u[m * kDim], &q[a * kDim], kDim) > score(&u[m * kDim], &q[b * kDim], kDim);
    });
    if (m % 5 == 0) positives[m] = best[static_cast<size_t>(m)];
    // Most of what is better is excluded: what is counted too early must be taken back.
    for (int i = 0; i < 20; ++i) excluded.push_back(best[static_cast<size_t>(i)]);
    offsets.push_back(static_cast<int64_t>(excluded.size()));
  }
  const Tensor<int32_t> e_device = tensor(excluded);
  const Tensor<int64_t> o_device = tensor(offsets);
  for (const Cut& cut : cuts_of(kItems)) {
    const auto counted = [&](int32_t enough) {
      return over_chunks(u, q, kDim, positives, cut.chunks,
                         [&](RankQuery query, RankCounts counts) {
                           query.enough = enough;
                           backend().count_items(query, {o_device, e_device}, counts);
                         });
    };
    const Counts all = counted(kEveryItem), some = counted(kEnough);
    int few = 0;
    for (int m = 0; m < kUsers; ++m) {
      few += all.greater[m] < kEnough;
      EXPECT_EQ(expected_hit(some.greater[m], some.ties[m], kEnough),
                expected_hit(all.greater[m], all.ties[m], kEnough))
          << cut.name << ", user " << m;
      EXPECT_EQ(expected_ndcg(some.greater[m], some.ties[m], kEnough),
                expected_ndcg(all.greater[m], all.ties[m], kEnough));
      if (all.greater[m] >= kEnough) continue;
      EXPECT_EQ(some.greater[m], all.greater[m]);
      EXPECT_EQ(some.ties[m], all.ties[m]);
    }
    EXPECT_GE(few, 5) << "of both kinds there are some";
    EXPECT_LE(few, kUsers - 5);
    if (backend().name() == "cpu") {
      EXPECT_LT(std::accumulate(some.greater.begin(), some.greater.end(), 0),
                std::accumulate(all.greater.begin(), all.greater.end(), 0) / 4)
          << "it stops";
    }
  }
}

TEST_P(Ranking, Candidates) {
  Random random(2);
  const int users = 21, items = 40, dim = 7, count = 13;
  const auto u = random.normals(users * dim), q = random.normals(items * dim);
  const auto positives = random.integers<int32_t>(users, 0, items - 1);
  auto candidates = random.integers<int32_t>(users * count, 0, items - 1);
  for (int m = 0; m < users; m += 2) candidates[m * count + count - 1] = -1;
  Counts expected{std::vector<int32_t>(users), std::vector<int32_t>(users)};
  for (int m = 0; m < users; ++m) {
    const float positive = score(&u[m * dim], &q[positives[m] * dim], dim);
    for (int i = 0; i < count; ++i) {
      const int32_t item = candidates[m * count + i];
      if (item < 0) continue;
      const float s = score(&u[m * dim], &q[item * dim], dim);
      expected.greater[m] += s > positive;
      expected.ties[m] += s == positive;
    }
  }
  const Tensor<int32_t> c_device = tensor(candidates, count);
  for (const Cut& cut : cuts_of(items))
    EXPECT_EQ(over_chunks(u, q, dim, positives, cut.chunks,
                          [&](const RankQuery& query, RankCounts counts) {
                            backend().count_candidates(query, c_device, counts);
                          }),
              expected)
        << cut.name;
}

TEST_P(Ranking, BrokenScoresNeverLookGood) {
  const int items = 20;
  const Tensor<int64_t> offsets = tensor<int64_t>({0, 2, 2});
  const Tensor<int32_t> excluded = tensor<int32_t>({0, 3});
  for (const Cut& cut : cuts_of(items))
    EXPECT_EQ(over_chunks({NAN, 1.0f}, std::vector<float>(items, 1.0f), 1, {3, 3}, cut.chunks,
                          [&](const RankQuery& query, RankCounts counts) {
                            backend().count_items(query, {offsets, excluded}, counts);
                          }),
              (Counts{{items - 2, 0}, {0, items - 1}}))
        << cut.name;
}

MGQE_ON_EVERY_BACKEND(Ranking);

// Brute force over every order of the tied group.
TEST(Metrics, TiesGiveTheExpectedValueUnderRandomBreaking) {
  for (int greater = 0; greater < 14; ++greater)
    for (int ties = 0; ties < 14; ++ties) {
      double hit = 0.0, ndcg = 0.0;
      for (int place = 0; place <= ties; ++place) {
        const int rank = greater + place + 1;
        if (rank > 10) continue;
        hit += 1.0 / (ties + 1);
        ndcg += 1.0 / std::log2(rank + 1.0) / (ties + 1);
      }
      EXPECT_NEAR(expected_hit(greater, ties, 10), hit, 1e-12);
      EXPECT_NEAR(expected_ndcg(greater, ties, 10), ndcg, 1e-12);
    }
}

}  // namespace
}  // namespace mgqe::testing

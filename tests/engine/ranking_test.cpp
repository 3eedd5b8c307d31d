// Ranking counts on every back end, and the metrics made of them, against brute force.
#include <algorithm>
#include <numeric>
#include <set>

#include "host/train/metrics.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// The documented score: one fma chain in dimension order.
float score(const float* user, const float* item, int dim) {
  float sum = 0.0f;
  for (int c = 0; c < dim; ++c) sum = std::fma(user[c], item[c], sum);
  return sum;
}

class Ranking : public OnEveryBackend {};

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
    const Tensor<float> u_device = tensor(u, dim), q_device = tensor(q, dim);
    const Tensor<int32_t> p_device = tensor(positives), e_device = tensor(excluded);
    const Tensor<int64_t> o_device = tensor(offsets);
    Tensor<int32_t> greater = poisoned<int32_t>(users), ties = poisoned<int32_t>(users);
    backend().rank_all({u_device, q_device, p_device}, {o_device, e_device}, {greater, ties});
    const auto g = greater.to_host(), t = ties.to_host();
    for (int m = 0; m < users; ++m) {
      const float positive = score(&u[m * dim], &q[positives[m] * dim], dim);
      int expected_greater = 0, expected_ties = 0;
      for (int i = 0; i < items; ++i) {
        if (i == positives[m] ||
            std::binary_search(excluded.data() + offsets[m], excluded.data() + offsets[m + 1], i))
          continue;
        const float s = score(&u[m * dim], &q[i * dim], dim);
        expected_greater += s > positive;
        expected_ties += s == positive;
      }
      EXPECT_EQ(g[m], expected_greater) << items << " items, user " << m;
      EXPECT_EQ(t[m], expected_ties) << items << " items, user " << m;
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
  Tensor<int32_t> greater = poisoned<int32_t>(users), ties = poisoned<int32_t>(users);
  const Tensor<float> u_device = tensor(u, dim), q_device = tensor(q, dim);
  const Tensor<int32_t> p_device = tensor(positives);
  backend().rank_candidates({u_device, q_device, p_device}, tensor(candidates, count),
                            {greater, ties});
  const auto g = greater.to_host(), t = ties.to_host();
  for (int m = 0; m < users; ++m) {
    const float positive = score(&u[m * dim], &q[positives[m] * dim], dim);
    int expected_greater = 0, expected_ties = 0;
    for (int i = 0; i < count; ++i) {
      const int32_t item = candidates[m * count + i];
      if (item < 0) continue;
      const float s = score(&u[m * dim], &q[item * dim], dim);
      expected_greater += s > positive;
      expected_ties += s == positive;
    }
    EXPECT_EQ(g[m], expected_greater);
    EXPECT_EQ(t[m], expected_ties);
  }
}

TEST_P(Ranking, BrokenScoresNeverLookGood) {
  const int items = 20;
  const Tensor<float> u = tensor<float>({NAN, 1.0f}, 1);
  const Tensor<float> q = tensor(std::vector<float>(items, 1.0f), 1);
  const Tensor<int32_t> positives = tensor<int32_t>({3, 3});
  const Tensor<int64_t> offsets = tensor<int64_t>({0, 2, 2});
  const Tensor<int32_t> excluded = tensor<int32_t>({0, 3});
  Tensor<int32_t> greater = poisoned<int32_t>(2), ties = poisoned<int32_t>(2);
  backend().rank_all({u, q, positives}, {offsets, excluded}, {greater, ties});
  EXPECT_EQ(greater.to_host(), (std::vector<int32_t>{items - 2, 0}));
  EXPECT_EQ(ties.to_host(), (std::vector<int32_t>{0, items - 1}));
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

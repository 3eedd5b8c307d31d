// Tiers from a budget, against every way there is to cut few ids.
#include "models/embeddings/tier_allocation.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "host/train/capacity_plan.hpp"
#include "models/embeddings/nested_codebook.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// Fewer centroids lose more.
TierCosts random_costs(Random& random, int64_t rows) {
  TierCosts costs;
  const auto sensitivity = random.normals(rows), errors = random.normals(3 * rows);
  for (int64_t i = 0; i < rows; ++i) {
    double lost = 0.0;
    for (size_t k = 0; k < 3; ++k) {
      lost += std::abs(errors[3 * i + static_cast<int64_t>(k)]);
      costs.lost[k].push_back(std::abs(sensitivity[i]) * lost / static_cast<double>(1 + i));
    }
  }
  costs.row_bytes = {8, 6, 4};
  costs.codebook_bytes = {64, 16, 4};
  return costs;
}

/// Ids [0, a) at 256 centroids, [a, b) at 64, the rest at 16.
std::pair<double, int64_t> plan_of(const TierCosts& costs, int64_t a, int64_t b) {
  double lost = 0.0;
  int64_t bytes = 0;
  for (int64_t i = 0; i < costs.rows(); ++i) {
    const size_t k = i < a ? 0 : i < b ? 1 : 2;
    lost += costs.lost[k][static_cast<size_t>(i)];
    bytes += costs.row_bytes[k];
  }
  return {lost, bytes + costs.codebook_bytes[a > 0 ? 0 : b > 0 ? 1 : 2]};
}

TEST(TierAllocation, IsTheCheapestOfAllCuts) {
  Random random(1);
  for (const int64_t rows : {1, 2, 9, 23})
    for (const double price : {0.0, 0.003, 0.05, 0.2, 10.0}) {
      const TierCosts costs = random_costs(random, rows);
      const TierPlan plan = cheapest_tiers(costs, price);
      double least = INFINITY;
      for (int64_t a = 0; a <= rows; ++a)
        for (int64_t b = a; b <= rows; ++b) {
          const auto [lost, bytes] = plan_of(costs, a, b);
          least = std::min(least, lost + price * static_cast<double>(bytes));
        }
      EXPECT_NEAR(plan.lost + price * static_cast<double>(plan.bytes), least, 1e-12)
          << rows << " rows at " << price;
      // What it says of itself.
      ASSERT_EQ(plan.centroids.size(), plan.ends.size());
      EXPECT_EQ(plan.ends.back(), rows);
      int64_t ends[2] = {0, 0};
      for (size_t t = 0; t < plan.ends.size(); ++t) {
        if (t > 0) {
          EXPECT_LT(plan.centroids[t], plan.centroids[t - 1]);
          EXPECT_GT(plan.ends[t], plan.ends[t - 1]);
        }
        if (plan.centroids[t] == 256) ends[0] = ends[1] = plan.ends[t];
        if (plan.centroids[t] == 64) ends[1] = plan.ends[t];
      }
      EXPECT_EQ(plan.bytes, plan_of(costs, ends[0], ends[1]).second);
      EXPECT_NEAR(plan.lost, plan_of(costs, ends[0], ends[1]).first, 1e-12);
    }
}

/// Which codebook a plan stores.
size_t largest_codebook(int64_t a, int64_t b) { return a > 0 ? 0 : b > 0 ? 1 : 2; }
size_t largest_codebook(const TierPlan& plan) {
  return plan.centroids[0] == 256 ? 0 : plan.centroids[0] == 64 ? 1 : 2;
}

TEST(TierAllocation, KeepsTheBudgetAndNothingOfItsSizeLosesLess) {
  Random random(2);
  for (int round = 0; round < 20; ++round) {
    const std::vector<TierCosts> tables = {random_costs(random, 12), random_costs(random, 9)};
    for (const int64_t budget : {92, 110, 140, 190, 250, 400}) {
      const std::vector<TierPlan> plans = allocate_tiers(tables, budget);
      const int64_t bytes = plans[0].bytes + plans[1].bytes;
      EXPECT_LE(bytes, budget);
      const double lost = plans[0].lost + plans[1].lost;
      for (int64_t a = 0; a <= 12; ++a)
        for (int64_t b = a; b <= 12; ++b)
          for (int64_t c = 0; c <= 9; ++c)
            for (int64_t d = c; d <= 9; ++d) {
              if (largest_codebook(a, b) != largest_codebook(plans[0])) continue;
              if (largest_codebook(c, d) != largest_codebook(plans[1])) continue;
              const auto one = plan_of(tables[0], a, b), other = plan_of(tables[1], c, d);
              if (one.second + other.second > bytes) continue;
              EXPECT_GE(one.first + other.first, lost - 1e-9) << "budget " << budget;
            }
    }
    EXPECT_EQ(allocate_tiers(tables, 1 << 20)[0].lost, plan_of(tables[0], 12, 12).first);
  }
}

/// A codebook takes its bytes at once: the plan at a price goes from none of it to many ids by it,
/// and a budget between the two is to be used all the same.
TEST(TierAllocation, ChoosesAmongWhatEachLargestCodebookGives) {
  Random random(5);
  for (int round = 0; round < 20; ++round) {
    TierCosts costs = random_costs(random, 14);
    costs.codebook_bytes = {24, 8, 4};
    for (int64_t budget = 60; budget <= 136; budget += 4) {
      const std::vector<TierPlan> plans = allocate_tiers(std::span(&costs, 1), budget);
      const double lost = plans[0].lost;
      for (double price = 1e-5; price < 10.0; price *= 1.05) {
        double least[3] = {INFINITY, INFINITY, INFINITY}, its_lost[3] = {};
        int64_t its_bytes[3] = {};
        for (int64_t a = 0; a <= 14; ++a)
          for (int64_t b = a; b <= 14; ++b) {
            const auto [of_lost, bytes] = plan_of(costs, a, b);
            const size_t k = largest_codebook(a, b);
            if (of_lost + price * static_cast<double>(bytes) >= least[k]) continue;
            least[k] = of_lost + price * static_cast<double>(bytes);
            its_lost[k] = of_lost;
            its_bytes[k] = bytes;
          }
        for (size_t k = 0; k < 3; ++k) {
          if (its_bytes[k] > budget) continue;
          EXPECT_GE(its_lost[k], lost - 1e-9) << budget << " " << price;
        }
      }
    }
  }
}

TEST(TierAllocation, SaysTheLeastThatWorks) {
  Random random(3);
  const std::vector<TierCosts> tables = {random_costs(random, 10), random_costs(random, 5)};
  EXPECT_EQ(allocate_tiers(tables, 68)[0].bytes, 44);
  try {
    allocate_tiers(tables, 67);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("alone take 68"), std::string::npos) << error.what();
  }
}

TEST(Budget, IsAShareOfFullTablesOrBytes) {
  EXPECT_EQ(budget_bytes("10%", 5000), 500);
  EXPECT_EQ(budget_bytes("12.5%", 800), 100);
  EXPECT_EQ(budget_bytes("300000", 1), 300000);
  EXPECT_EQ(budget_bytes("1.5KiB", 1), 1536);
  EXPECT_EQ(budget_bytes("2MiB", 1), 2 << 20);
  for (const char* bad : {"", "ten", "0", "-5%", "10 %", "3KB", "nan%", "1e30"})
    EXPECT_THROW(budget_bytes(bad, 1000), InputError) << bad;
}

class NestedCodebook : public OnEveryBackend {};

TEST_P(NestedCodebook, MoreCentroidsAreNeverFartherAndAsFarAsTheyAre) {
  Random random(4);
  const int64_t rows = 400, dim = 8;
  const auto values = random.normals(rows * dim);
  const auto errors = nested_errors(backend(), values, dim, 4, 7);
  double sums[3] = {};
  for (int64_t i = 0; i < rows; ++i)
    for (size_t k = 0; k < 3; ++k) {
      sums[k] += errors[k][static_cast<size_t>(i)];
      if (k == 0) continue;
      EXPECT_LE(errors[k - 1][static_cast<size_t>(i)], errors[k][static_cast<size_t>(i)] + 1e-5f);
    }
  // Normals of 2 dimensions: 16 centroids leave about a ninth of the variance at best, and so on.
  EXPECT_LT(sums[2], 0.25 * static_cast<double>(rows * dim));
  EXPECT_LT(sums[1], 0.5 * sums[2]);
  EXPECT_LT(sums[0], 0.5 * sums[1]);
}

MGQE_ON_EVERY_BACKEND(NestedCodebook);

}  // namespace
}  // namespace mgqe::testing

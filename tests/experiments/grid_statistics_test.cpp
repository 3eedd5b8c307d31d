// Means, intervals, paired ratios and interpolation against values worked out by hand.
#include <cmath>

#include <gtest/gtest.h>

#include "experiments/report/statistics.hpp"

namespace mgqe {
namespace {

TEST(Estimate, MeanAndInterval) {
  EXPECT_FALSE(estimate({}));
  const auto one = estimate({{7, 0.5}});
  EXPECT_EQ(one->mean, 0.5);
  EXPECT_EQ(one->half_width, 0.0);
  EXPECT_EQ(one->seeds, 1u);
  // 1, 2, 3, 4: mean 2.5, s^2 = 5/3, t(3) = 3.182; 3.182 sqrt(5/12) = 2.0540
  const auto four = estimate({{1, 1.0}, {2, 2.0}, {3, 3.0}, {4, 4.0}});
  EXPECT_DOUBLE_EQ(four->mean, 2.5);
  EXPECT_NEAR(four->half_width, 2.0540, 1e-4);
  EXPECT_NEAR(four->low(), 0.4460, 1e-4);
  EXPECT_NEAR(four->high(), 4.5540, 1e-4);
  // Ten values of 0 and 2: mean 1, s^2 = 10/9, t(9) = 2.262; 2.262 / 3 = 0.7540
  BySeed ten;
  for (uint64_t seed = 1; seed <= 10; ++seed) ten[seed] = seed % 2 == 0 ? 2.0 : 0.0;
  EXPECT_NEAR(estimate(ten)->half_width, 0.7540, 1e-4);
}

TEST(PairedRatio, IsOfTheSeedsThatBothHave) {
  // 2/1, 6/2 -> 2, 3: mean 2.5, s^2 = 0.5, t(1) = 12.706; 12.706 x 0.5 = 6.353
  const auto ratio = paired_ratio({{1, 2.0}, {2, 6.0}, {3, 99.0}}, {{1, 1.0}, {2, 2.0}, {4, 5.0}});
  EXPECT_DOUBLE_EQ(ratio->mean, 2.5) << "not the ratio of the means, 8/3";
  EXPECT_NEAR(ratio->half_width, 6.353, 1e-3);
  EXPECT_EQ(ratio->seeds, 2u);
  EXPECT_FALSE(paired_ratio({{1, 2.0}}, {{2, 2.0}}));
  // What the seed alone moves cancels.
  const auto steady =
      paired_ratio({{1, 9.0}, {2, 18.0}, {3, 27.0}}, {{1, 10.0}, {2, 20.0}, {3, 30.0}});
  EXPECT_DOUBLE_EQ(steady->mean, 0.9);
  EXPECT_NEAR(steady->half_width, 0.0, 1e-12);
}

TEST(StudentT, IsWhatTablesHave) {
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.7062, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.975, 2), 4.3027, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.975, 9), 2.2622, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.995, 9), 3.2498, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.9995, 4), 8.6103, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.95, 30), 1.6973, 1e-4);
  EXPECT_NEAR(student_t_quantile(0.975, 1'000'000), 1.95997, 1e-4);
}

TEST(SharedAmong, WidensByTheQuantiles) {
  const Estimate ten{1.0, 0.2, 10};
  // t(9) at 0.975 is 2.2622, at 1 - 0.025 / 5 = 0.995 it is 3.2498.
  EXPECT_NEAR(shared_among(ten, 5).half_width, 0.2 * 3.2498 / 2.2622, 1e-5);
  EXPECT_EQ(shared_among(ten, 5).mean, 1.0);
  EXPECT_EQ(shared_among(ten, 1).half_width, 0.2);
  EXPECT_EQ(shared_among(Estimate{1.0, 0.0, 1}, 5).half_width, 0.0);
}

TEST(Interpolate, IsStraightInTheLogarithm) {
  const std::vector<std::pair<double, double>> points = {{100, 4.0}, {1, 0.0}, {10, 2.0}};
  EXPECT_DOUBLE_EQ(interpolate(points, 10), 2.0);
  EXPECT_NEAR(interpolate(points, std::sqrt(10.0)), 1.0, 1e-12);
  EXPECT_NEAR(interpolate(points, 10 * std::sqrt(10.0)), 3.0, 1e-12);
  EXPECT_EQ(interpolate(points, 0.1), 0.0) << "beyond an end, that end";
  EXPECT_EQ(interpolate(points, 1000), 4.0);
  EXPECT_EQ(interpolate({{5, 7.0}}, 9), 7.0);
}

TEST(ToText, SaysWhetherThereIsAnInterval) {
  EXPECT_EQ(to_text(Estimate{0.65021, 0.00284, 10}, 4), "0.6502 ± 0.0028");
  EXPECT_EQ(to_text(Estimate{14.0374, 0, 1}, 3), "14.037");
}

}  // namespace
}  // namespace mgqe

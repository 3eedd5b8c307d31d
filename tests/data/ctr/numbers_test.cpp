#include "host/data/ctr/numbers.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace mgqe {
namespace {

TEST(Numbers, ReadsWholeNumbersAndOthers) {
  const auto value = [](std::string_view text) {
    double x = -77.0;
    return read_decimal(text, x) ? x : NAN;
  };
  EXPECT_EQ(value("0"), 0.0);
  EXPECT_EQ(value("-3"), -3.0);
  EXPECT_EQ(value("123456789"), 123456789.0);
  EXPECT_EQ(value("12345678901234"), 12345678901234.0);
  EXPECT_EQ(value("2.5"), 2.5);
  EXPECT_EQ(value("-1e3"), -1000.0);
  EXPECT_EQ(value("+1"), 1.0);
  EXPECT_EQ(value("+2.5"), 2.5);
  for (const char* wrong :
       {"", "-", "--1", "1-", "x", "1x", "1,5", "inf", "nan", "+", "+-1", "-+1", " 1"})
    EXPECT_TRUE(std::isnan(value(wrong))) << wrong;
}

TEST(Numbers, LogBuckets) {
  // floor(ln(x + 1)^2): ln(2)^2 = 0.48, ln(3)^2 = 1.21, ln(8)^2 = 4.32, ln(101)^2 = 21.30.
  EXPECT_EQ(log_bucket(0), 0);
  EXPECT_EQ(log_bucket(1), 0);
  EXPECT_EQ(log_bucket(2), 1);
  EXPECT_EQ(log_bucket(7), 4);
  EXPECT_EQ(log_bucket(100), 21);
  EXPECT_EQ(log_bucket(-1), -1);
  EXPECT_EQ(log_bucket(-7), -5);
}

TEST(Numbers, LogOfPlus) {
  EXPECT_FLOAT_EQ(log_of_plus(9, 1), std::log(10.0f));
  EXPECT_FLOAT_EQ(log_of_plus(-3, 4), 0.0f);
  EXPECT_FLOAT_EQ(log_of_plus(-100, 1), 0.0f);
}

TEST(Numbers, QuantilesPartEvenly) {
  std::vector<double> sorted;
  for (int i = 0; i < 1000; ++i) sorted.push_back(i);
  const auto bounds = quantile_bounds(sorted, 4);
  EXPECT_EQ(bounds, (std::vector<double>{250, 500, 750}));
  EXPECT_EQ(quantile_bucket(bounds, -5), 0);
  EXPECT_EQ(quantile_bucket(bounds, 249), 0);
  EXPECT_EQ(quantile_bucket(bounds, 250), 1);
  EXPECT_EQ(quantile_bucket(bounds, 1e9), 3);
  EXPECT_EQ(quantile_bounds({0, 0, 0, 0, 0, 0, 1, 2}, 4), (std::vector<double>{1}));
  EXPECT_TRUE(quantile_bounds({5, 5, 5}, 4).empty());
  EXPECT_TRUE(quantile_bounds({}, 4).empty());
}

TEST(Numbers, SampleIsAllOrOfEachRowAlone) {
  NumberSample small;
  for (int i = 0; i < 100; ++i) small.add(i, 100 - i);
  EXPECT_EQ(small.sorted().size(), 100u);
  EXPECT_EQ(small.sorted().front(), 1.0);
  NumberSample up, down;
  constexpr int kRows = 200'000;
  for (int i = 0; i < kRows; ++i) up.add(i, i);
  for (int i = kRows; i-- > 0;) down.add(i, i);
  EXPECT_EQ(up.sorted(), down.sorted());
  ASSERT_EQ(up.sorted().size(), NumberSample::kMost);
  // Its median is the rows' own to within 6 standard deviations, 0.5 / sqrt(65536) each.
  EXPECT_NEAR(up.sorted()[NumberSample::kMost / 2] / kRows, 0.5, 6 * 0.5 / 256);
}

}  // namespace
}  // namespace mgqe

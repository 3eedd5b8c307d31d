// The points of rows with many features.
#include <set>

#include <gtest/gtest.h>

#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/run_key.hpp"

namespace mgqe {
namespace {

std::vector<GridPoint> all_points() {
  GridChoice choice;
  choice.tasks = feature_tasks();
  return feature_points(choice);
}

TEST(FeaturePoints, EveryTaskHasEverySchemeUnderEachPenalty) {
  std::set<std::string> names, keys;
  for (const GridPoint& point : all_points()) {
    EXPECT_TRUE(names.insert(point.name()).second) << point.name();
    const size_t penalties = std::max<size_t>(1, point.task.l2.size());
    ASSERT_EQ(point.candidates.size(), penalties) << point.name();
    for (const Config& config : point.candidates)
      EXPECT_TRUE(keys.insert(run_key(config)).second) << point.name();
  }
  EXPECT_EQ(names.size(), 4u * 34u + 2u * 3u + 2u);
  for (const char* name :
       {"dcn-frappe/full-d16", "dlrm-flights/mgqe_budget-10%", "dcn-flights/mgqe_field-D8",
        "dlrm-frappe/scalar_quantized-b4", "dcn-frappe/lsq-b2", "frappe-published/full-cross0",
        "dcn-frappe/hashed-m64", "dlrm-frappe/dpq_sx_tf_t0.1-D8"})
    EXPECT_TRUE(names.contains(name)) << name;
}

/// A penalty that full tables want keeps shared rows small.
TEST(FeaturePoints, SchemesThatShareRowsTrySmallerPenaltiesToo) {
  const auto tried = [](const std::string& name) {
    for (const GridPoint& point : all_points())
      if (point.name() == name) return point.task.l2;
    return std::vector<double>{};
  };
  const std::vector<double> as_full = {2e-3, 5e-3}, more = {0, 2e-4, 2e-3, 5e-3};
  for (const char* series : {"full-d16", "lsq-b2", "mgqe-D8", "mgqe_budget-10%", "dpq_vq-D8"})
    EXPECT_EQ(tried(std::string("dlrm-frappe/") + series), as_full) << series;
  for (const char* series : {"low_rank-r2", "hashed-m64", "multiplexed-m256", "memcom-m64",
                             "quotient_remainder-m128", "mixed_dim-w4/1", "dpq_sx_tf-D8"})
    EXPECT_EQ(tried(std::string("dlrm-flights/") + series), more) << series;
  EXPECT_EQ(tried("dcn-frappe/low_rank-r2"), std::vector<double>{2e-3});
}

/// Whether small fields are full is part of what a run is.
TEST(FeaturePoints, SeriesOfAllFieldsLeaveNoneFull) {
  const std::set<std::string> all = {"mgqe_budget", "mgqe_all", "lsq_all"};
  for (const GridPoint& point : all_points())
    for (const Config& config : point.candidates)
      EXPECT_EQ(config.embedding.full_rows, all.contains(point.series) ? 0 : 100) << point.name();
}

/// What is recorded of a run under a budget has the sizes that its plan gave.
TEST(FeaturePoints, ARunUnderABudgetIsFoundWhateverItsPlanWas) {
  for (const GridPoint& point : all_points()) {
    if (point.series != "mgqe_budget") continue;
    Config planned = point.candidates[0];
    planned.embedding.centroids = {256, 64, 16};
    planned.embedding.tiers = {0.03, 0.4};
    EXPECT_EQ(run_key(planned), run_key(point.candidates[0])) << point.name();
    planned.embedding.budget = "11%";
    EXPECT_NE(run_key(planned), run_key(point.candidates[0])) << point.name();
    for (const std::string& flag : run_flags(point.candidates[0]))
      EXPECT_TRUE(flag != "--centroids" && flag != "--tiers") << "which exclude --budget";
  }
}

}  // namespace
}  // namespace mgqe

// What is concluded from runs: verdicts of checks, of claims on made-up stores, and the choice of
// tuned hyper-parameters.
#include <algorithm>

#include "experiments/report/paper_claims.hpp"
#include "tests/support/grid_report_testing.hpp"

namespace mgqe::testing {
namespace {

Check check(double mean, double half_width, size_t seeds, bool at_least, bool exact = false) {
  return {"", Estimate{mean, half_width, seeds}, 0.97, at_least, exact};
}

TEST(Check, AsksTheWholeInterval) {
  EXPECT_EQ(check(0.99, 0.01, 5, true).verdict(), Verdict::kSupported);
  EXPECT_EQ(check(0.99, 0.03, 5, true).verdict(), Verdict::kNotEnoughRuns);
  EXPECT_EQ(check(0.96, 0.03, 5, true).verdict(), Verdict::kNotEnoughRuns);
  EXPECT_EQ(check(0.95, 0.01, 5, true).verdict(), Verdict::kNotSupported);
  EXPECT_EQ(check(0.95, 0.01, 5, false).verdict(), Verdict::kSupported);
  EXPECT_EQ(check(0.98, 0.005, 5, false).verdict(), Verdict::kNotSupported);
  EXPECT_EQ(check(0.97, 0.0, 3, true).verdict(), Verdict::kSupported)
      << "the bound itself keeps it";
}

TEST(Check, NeedsThreeSeedsUnlessItIsExact) {
  EXPECT_EQ(check(0.99, 0.0, 2, true).verdict(), Verdict::kNotEnoughRuns);
  EXPECT_EQ(check(0.99, 0.0, 3, true).verdict(), Verdict::kSupported);
  EXPECT_EQ(check(0.99, 0.0, 1, true, /*exact=*/true).verdict(), Verdict::kSupported);
  EXPECT_EQ((Check{"", std::nullopt, 0.97, true}.verdict()), Verdict::kNotEnoughRuns);
}

TEST(Claim, IsNotSupportedWhereOneCheckIsNot) {
  const Check good = check(0.99, 0, 5, true), bad = check(0.9, 0, 5, true),
              open = check(0.97, 0.1, 5, true);
  EXPECT_EQ((Claim{"", "", {good, good}}.verdict()), Verdict::kSupported);
  EXPECT_EQ((Claim{"", "", {good, open}}.verdict()), Verdict::kNotEnoughRuns);
  EXPECT_EQ((Claim{"", "", {open, bad, good}}.verdict()), Verdict::kNotSupported);
  EXPECT_EQ((Claim{"", "", {}}.verdict()), Verdict::kNotEnoughRuns);
}

/// Verdicts by a word of the claim's name.
class Verdicts {
 public:
  Verdicts(const Quality& quality, const std::vector<uint64_t>& seeds) {
    const GridChoice choice = every_task();
    std::vector<RunRecord> runs = made_up_runs(figure2_points(choice), seeds, quality);
    for (const RunRecord& run : made_up_runs(ablation_points(choice, {"softmax"}), seeds, quality))
      runs.push_back(run);
    claims_ = paper_claims(Evidence(runs, choice));
  }
  Verdict operator[](const std::string& words) const {
    for (const Claim& claim : claims_)
      if (claim.name.find(words) != std::string::npos) return claim.verdict();
    ADD_FAILURE() << "no claim has the words " << words;
    return Verdict::kNotEnoughRuns;
  }
  size_t count() const { return claims_.size(); }

 private:
  std::vector<Claim> claims_;
};

TEST(PaperClaims, OnAStoreThatBearsThemOut) {
  const Verdicts verdicts(plausible_quality, {1, 2, 3});
  EXPECT_EQ(verdicts.count(), 9u);
  for (const char* words :
       {"DPQ is on par", "MGQE is on par with the full", "MGQE is on par with DPQ",
        "best at equal size", "20%", "smaller d fails", "converges", "as fast as DPQ", "softmax"})
    EXPECT_EQ(verdicts[words], Verdict::kSupported) << words;
}

TEST(PaperClaims, TwoSeedsDecideNothingButSizes) {
  const Verdicts verdicts(plausible_quality, {1, 2});
  EXPECT_EQ(verdicts["DPQ is on par"], Verdict::kNotEnoughRuns);
  EXPECT_EQ(verdicts["best at equal size"], Verdict::kNotEnoughRuns);
  EXPECT_EQ(verdicts["20%"], Verdict::kSupported);
}

TEST(PaperClaims, OnStoresThatRefuteThem) {
  const auto but = [](const std::string& scheme, double ranking, double rmse) {
    return [=](const GridPoint& point) {
      const bool changed = point.candidates.front().embedding.scheme == scheme;
      if (!changed) return plausible_quality(point);
      return point.task.is_relevance() ? rmse : ranking;
    };
  };
  const Verdicts poor_mgqe(but("mgqe", 0.9, 1.05), {1, 2, 3});
  EXPECT_EQ(poor_mgqe["MGQE is on par with the full"], Verdict::kNotSupported);
  EXPECT_EQ(poor_mgqe["MGQE is on par with DPQ"], Verdict::kNotSupported);
  EXPECT_EQ(poor_mgqe["best at equal size"], Verdict::kNotSupported);
  EXPECT_EQ(poor_mgqe["DPQ is on par"], Verdict::kSupported);
  const Verdicts good_rank(but("low_rank", 1.05, 0.95), {1, 2, 3});
  EXPECT_EQ(good_rank["best at equal size"], Verdict::kNotSupported);
  const Verdicts good_softmax(but("dpq_sx", 1.2, 0.9), {1, 2, 3});
  EXPECT_EQ(good_softmax["softmax"], Verdict::kNotSupported);
  const Verdicts flat(but("full", 1.0, 1.0), {1, 2, 3});
  EXPECT_EQ(flat["smaller d fails"], Verdict::kNotSupported);
}

TEST(PaperClaims, OnNoRunAtAll) {
  for (const Claim& claim : paper_claims(Evidence({}, every_task())))
    EXPECT_EQ(claim.verdict(), Verdict::kNotEnoughRuns) << claim.name;
}

TEST(Evidence, SizesAreAgainstTheFullDimension) {
  const GridChoice choice = every_task();
  const Evidence evidence(made_up_runs(figure2_points(choice), {1}), choice);
  const GridTask gmf = find_tasks({"gmf"})[0], relevance = find_tasks({"relevance"})[0];
  EXPECT_DOUBLE_EQ(evidence.find(gmf, "full", "d=64")->percent_of_full(), 100.0);
  EXPECT_DOUBLE_EQ(evidence.find(gmf, "full", "d=8")->percent_of_full(), 12.5);
  EXPECT_DOUBLE_EQ(evidence.find(relevance, "full", "d=8")->percent_of_full(), 25.0);
  EXPECT_EQ(evidence.find(gmf, "full", "d=4"), nullptr);
}

TEST(Evidence, TunesByMeanValidationOverSeedsThatTriedAll) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"relevance"});
  std::vector<RunRecord> runs = made_up_runs(figure2_points(choice), {1, 2, 3});
  // Seed 4 tried one penalty alone, and does well by it; test figures must not matter.
  const GridPoint point = figure2_points(choice).front();
  runs.push_back(made_up_run(point, point.candidates[3], 4, 0.5, 1.0));
  for (RunRecord& run : runs)
    if (recorded_config(run).train.l2 == 3e-5) run["test"]["rmse"] = 1.0;
  const Evidence evidence(runs, choice);
  for (const PointRuns& one : evidence.figure2()) {
    EXPECT_EQ(one.config.train.l2, 1e-5) << one.label();
    EXPECT_EQ(one.runs.size(), 3u) << one.label();
    EXPECT_EQ(one.tuned.size(), 4u) << one.label();
  }
}

}  // namespace
}  // namespace mgqe::testing

// Which of a run's training lengths stands for it, and which is made next.
#include "experiments/grid/training_length.hpp"

#include <map>

#include "experiments/grid/run_key.hpp"
#include "tests/support/grid_report_testing.hpp"

namespace mgqe::testing {
namespace {

using Best = std::map<int, int>;

/// Stored runs of 20, 40 and 80 epochs by their best epoch.
class Lengths {
 public:
  explicit Lengths(const Best& best, int patience = 0) {
    GridChoice choice = every_task();
    choice.tasks = find_tasks({"gmf"});
    point_ = figure2_points(choice).front();
    config_ = point_.candidates.front();
    config_.train.patience = patience;
    for (const auto& [epochs, best_epoch] : best) {
      GridPoint point = point_;
      point.candidates = {config_};
      point.candidates[0].train.epochs = epochs;
      RunRecord run = made_up_runs({point}, {1}).front();
      run["best_epoch"] = best_epoch;
      runs_[epochs] = run;
    }
  }

  /// "20, then 40": the epochs of what stands, "-" where nothing does, and of what is made next.
  std::string trained(int longest = 4) const {
    const TrainedLength found =
        trained_length(config_, longest, [&](const Config& length) -> const RunRecord* {
          const auto run = runs_.find(length.train.epochs);
          return run == runs_.end() ? nullptr : &run->second;
        });
    std::string text =
        found.stands == nullptr ? "-" : std::to_string(recorded_config(*found.stands).train.epochs);
    if (found.next) text += ", then " + std::to_string(found.next->train.epochs);
    return text;
  }

 private:
  GridPoint point_;
  Config config_;
  std::map<int, RunRecord> runs_;
};

TEST(TrainingLength, IsDoubledWhileTheBestIsWithinPatienceOfTheLast) {
  EXPECT_EQ(Lengths(Best{}).trained(), "-, then 20");
  EXPECT_EQ(Lengths(Best{{20, 15}}).trained(), "20");
  EXPECT_EQ(Lengths(Best{{20, 16}}).trained(), "20, then 40");
  EXPECT_EQ(Lengths(Best{{20, 16}, {40, 16}}).trained(), "40")
      << "it had been the best all the same";
  EXPECT_EQ(Lengths(Best{{20, 20}, {40, 36}}).trained(), "40, then 80");
  EXPECT_EQ(Lengths(Best{{20, 20}, {40, 36}, {80, 44}}).trained(), "80");
  EXPECT_EQ(Lengths(Best{{20, 20}, {40, 36}, {80, 80}}).trained(), "80") << "the last there is";
  EXPECT_EQ(Lengths(Best{{20, 20}}).trained(1), "20") << "no longer is allowed";
  EXPECT_EQ(Lengths(Best{{20, 20}, {40, 40}}).trained(2), "40");
}

TEST(TrainingLength, AShorterRunThatHadStoppedStands) {
  EXPECT_EQ(Lengths(Best{{20, 3}, {40, 31}}).trained(), "20")
      << "by one rule, whatever else was made";
  EXPECT_EQ(Lengths(Best{{40, 31}}).trained(), "40") << "the shorter one is not needed any more";
  EXPECT_EQ(Lengths(Best{{80, 80}}).trained(), "80");
}

TEST(TrainingLength, ByThePatienceOfTheRun) {
  EXPECT_EQ(Lengths(Best{{20, 16}}, 3).trained(), "20");
  EXPECT_EQ(Lengths(Best{{20, 18}}, 3).trained(), "20, then 40");
}

TEST(TrainingLength, CountsEvaluationsWhereThoseAreRare) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"sasrec"});
  RunRecord run = made_up_runs({figure2_points(choice).front()}, {1}).front();
  run["best_epoch"] = 175;
  EXPECT_FALSE(is_cut_short(run)) << "five evaluations, five epochs apart";
  run["best_epoch"] = 180;
  EXPECT_TRUE(is_cut_short(run));
}

/// The report takes each seed's own length.
TEST(TrainingLength, SeedsMayDiffer) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"gmf"});
  const GridPoint point = figure2_points(choice).front();
  GridPoint longer = point;
  longer.candidates[0].train.epochs = 40;
  std::vector<RunRecord> runs = made_up_runs({point}, {1, 2, 3});
  for (RunRecord& run : runs) run["best_epoch"] = recorded_config(run).run.seed == 1 ? 10 : 20;
  for (RunRecord& run : made_up_runs({longer}, {2})) {
    run["best_epoch"] = 30;
    runs.push_back(run);
  }
  const Evidence evidence(runs, choice);
  const PointRuns* found = evidence.find(point.task, point.series, point.value);
  ASSERT_NE(found, nullptr);
  std::map<uint64_t, int> epochs;
  for (const auto& [seed, run] : found->runs) epochs[seed] = recorded_config(run).train.epochs;
  EXPECT_EQ(epochs, (std::map<uint64_t, int>{{1, 20}, {2, 40}, {3, 20}}));
  EXPECT_EQ(found->cut_short(), 1u);
  const std::vector<GridRun> missing = evidence.missing(*found, 3);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].config.run.seed, 3u);
  EXPECT_EQ(missing[0].config.train.epochs, 40);
}

/// What is still improving at the longest training allowed is judged by that.
TEST(TrainingLength, NothingIsCutShortThatMayNotBeLonger) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"gmf"});
  for (const int epochs : {20, 40, 80}) {
    GridPoint point = figure2_points(choice).front();
    ASSERT_EQ(point.task.longest, 4);
    point.candidates[0].train.epochs = epochs;
    std::vector<RunRecord> runs = made_up_runs({point}, {1, 2, 3});
    for (RunRecord& run : runs) run["best_epoch"] = epochs;
    const Evidence evidence(runs, choice);
    const PointRuns* found = evidence.find(point.task, point.series, point.value);
    EXPECT_EQ(found->cut_short(), 3u);
    EXPECT_EQ(found->to_be_longer(), epochs < 80 ? 3u : 0u);
    EXPECT_EQ(found->is_cut_short(), epochs < 80) << epochs;
  }
}

}  // namespace
}  // namespace mgqe::testing

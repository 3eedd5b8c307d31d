// Evidence: the runs of a store, laid out by the points of the figures and ablations.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/grid_runs.hpp"
#include "experiments/grid/run_store.hpp"
#include "experiments/grid/training_length.hpp"
#include "experiments/report/statistics.hpp"

namespace mgqe {

/// A point and the runs that stand for it.
struct PointRuns {
  GridPoint point;
  Config config;                       // the candidate chosen on validation
  std::map<uint64_t, RunRecord> runs;  // by seed; empty where nothing is stored
  /// What each candidate measured on validation, for the report; only where something was tuned.
  std::vector<std::pair<Config, Estimate>> tuned;

  /// The number at a JSON pointer, by seed.
  BySeed values(const std::string& pointer) const;
  /// The runs of which longer training is not stored or not allowed, though it could have made them
  /// better (training_length.hpp).
  size_t cut_short() const;
  /// Those of them that may still be made longer.
  size_t to_be_longer() const;
  /// Whether most runs are to be. What has been given the longest training allowed is judged by it.
  bool is_cut_short() const { return 2 * to_be_longer() > runs.size(); }
  /// Bits by formula against the full table of the task's dimension, whatever d this table has.
  double percent_of_full() const { return percent_of_full(runs.begin()->second); }
  double percent_of_full(const RunRecord& run) const;
  /// "mgqe D=32"
  std::string label() const { return point.series + " " + point.value; }
};

/// The runs that stand for each point; a point that nothing is stored of has none. All saw the same
/// data (on_one_data).
std::vector<PointRuns> runs_of_points(const std::vector<RunRecord>& runs,
                                      const std::vector<GridPoint>& points);

/// What is judged on a task: where a run has it, how people read it.
struct Measure {
  std::string pointer;
  std::string name;
  bool higher_is_better;
  int digits;
};
/// Sampled and full-ranking HR@10 and full-ranking NDCG@10, or the RMSE. The measure by which sizes
/// are compared comes first: sampled ranking hides what compression loses.
const std::vector<Measure>& measures(const GridTask& task);

class Evidence {
 public:
  /// choice: the points to look for; its tasks are those of the report.
  Evidence(const std::vector<RunRecord>& runs, const GridChoice& choice);
  /// The same of other points than those of figure 2 and the ablations, which stand in the place of
  /// the former.
  Evidence(const std::vector<RunRecord>& runs, const std::vector<GridTask>& tasks,
           const std::vector<GridPoint>& points, const std::vector<GridPoint>& ablations = {});

  const std::vector<GridTask>& tasks() const { return tasks_; }
  const std::vector<PointRuns>& figure2() const { return figure2_; }
  const std::vector<PointRuns>& ablations() const { return ablations_; }
  /// The points of one task, in order; only those with runs.
  std::vector<const PointRuns*> figure2(const GridTask& task) const;
  /// Nothing where it has no runs.
  const PointRuns* find(const GridTask& task, const std::string& series,
                        const std::string& value) const;
  const PointRuns* usual(const GridTask& task, const std::string& scheme) const;
  const PointRuns* ablation(const GridTask& task, const std::string& study,
                            const std::string& value) const;

  /// The same with or without runs; nothing where no such point is looked for.
  const PointRuns* point(const GridTask& task, const std::string& series,
                         const std::string& value) const;

  /// Every run that stands for some point, each once.
  std::vector<const RunRecord*> used() const;

  /// The runs that a point lacks of its first `seeds` seeds, each candidate's apart; those that are
  /// cut short lack their next length.
  std::vector<GridRun> missing(const PointRuns& point, size_t seeds) const;
  /// What runs take on devices like those of the stored ones, on one thread each.
  const RunCosts& costs() const { return costs_; }
  /// Runs on other data by the name of that of most runs: in no figure.
  size_t on_other_data() const { return on_other_data_; }

 private:
  std::vector<GridTask> tasks_;
  std::vector<PointRuns> figure2_, ablations_;
  TrainedLength find_length(const GridRun& run) const;

  std::map<std::string, RunRecord> stored_;  // by run_key, on the data of most
  RunCosts costs_;
  size_t on_other_data_ = 0;
};

/// Only runs that saw one and the same data by each name: where a name stands for two, the one that
/// more runs saw. The count of the others is added to `others`.
std::vector<RunRecord> on_one_data(const std::vector<RunRecord>& runs, size_t& others);

}  // namespace mgqe

// Evidence: the runs of a store, laid out by the points of the figures and ablations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/run_store.hpp"
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
  /// Bits by formula against the full table of the task's dimension, whatever d this table has.
  double percent_of_full() const;
  /// "mgqe D=32"
  std::string label() const { return point.series + " " + point.value; }
};

/// The runs that stand for each point; a point that nothing is stored of has none.
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

  /// Every run that stands for some point, each once.
  std::vector<const RunRecord*> used() const;

 private:
  std::vector<GridTask> tasks_;
  std::vector<PointRuns> figure2_, ablations_;
};

}  // namespace mgqe

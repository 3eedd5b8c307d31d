// The command line that figure2, figure3 and ablation share.
#pragma once

#include <functional>

#include "experiments/cli/cli.hpp"
#include "experiments/grid/grid_runner.hpp"
#include "host/jobs/seed_runs.hpp"

namespace mgqe {

class GridProgram {
 public:
  /// tasks: the default of --tasks.
  GridProgram(CLI::App& app, const std::vector<std::string>& tasks);

  /// Makes the runs that are missing and writes the report; Error where some failed.
  void run(const std::function<std::vector<GridPoint>(const GridChoice&)>& points);

  /// Those of the points that --only leaves which have runs, as Markdown; of a tuned one the
  /// candidate chosen on validation.
  std::string stored_table(const std::vector<GridPoint>& points) const;

  /// The points that --only leaves.
  std::vector<GridPoint> chosen(const std::vector<GridPoint>& points) const;
  RunStore store() const { return RunStore(store_); }
  GridChoice choice() const;

 private:
  void write_report(const GridChoice& choice) const;
  void list(const std::vector<GridRun>& runs) const;

  CLI::App& app_;
  std::vector<std::string> tasks_;
  std::string only_, seeds_ = "1..10", store_ = "experiments/results/runs", config_;
  std::string report_ = "experiments/results";
  std::vector<double> l2_;
  double budget_minutes_ = 0.0;
  bool list_ = false, collect_ = false, report_only_ = false, no_report_ = false;
  GridOptions options_;
};

}  // namespace mgqe

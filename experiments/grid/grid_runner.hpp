// Makes the runs of a grid that its store lacks, each by `mgqe train` in a process of its own.
#pragma once

#include "experiments/grid/grid_runs.hpp"

namespace mgqe {

struct GridOptions {
  std::string program = "figure2";  // who speaks
  std::string device = "auto";
  int jobs = 0;                 // 0: share_cores()'s choice
  double budget_seconds = 0.0;  // 0: none
};

struct GridSummary {
  struct Failure {
    std::string label, error;
  };
  size_t stored = 0;              // of the grid, now
  size_t made = 0;                // by this call
  size_t elsewhere = 0;           // another process is at them
  std::vector<GridRun> left_out;  // by the budget
  std::vector<Failure> failed;
};

/// Ends when each run is stored, has failed, is made by another process, or would pass the budget.
GridSummary run_grid(const std::vector<GridRun>& runs, const RunStore& store,
                     const GridOptions& options);

/// One paragraph for people, with a line for each failure.
std::string to_text(const GridSummary& summary, size_t runs);

}  // namespace mgqe

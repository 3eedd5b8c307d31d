// The runs behind a list of points, in the order in which they are to be made.
#pragma once

#include <map>

#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/run_store.hpp"

namespace mgqe {

struct GridRun {
  std::string label;  // "gmf/mgqe-D32 seed 3"
  std::string point;  // "gmf/mgqe-D32"
  std::string task;
  Config config;  // with its seed
  int longest;    // of the task
  double rough;   // rough_seconds
};

/// Every point for the first seed, then for the second, and so on, so that what a budget leaves is
/// even; within a seed cheap runs before dear ones. A run that several points share comes once.
std::vector<GridRun> grid_runs(const std::vector<GridPoint>& points,
                               const std::vector<uint64_t>& seeds);

/// The run of one of its training lengths, in its place.
GridRun at_length(const GridRun& run, const Config& length);

/// Keeps the points whose name matches a regular expression; InputError that names --only where it
/// is none, or matches none.
std::vector<GridPoint> only(const std::vector<GridPoint>& points, const std::string& expression);

/// What runs take here: the rough guess, scaled by what runs of the point, of its task or of any
/// task took against it.
class RunCosts {
 public:
  void learn(const GridRun& run, double seconds);
  double seconds(const GridRun& run) const;

 private:
  struct Sum {
    double measured = 0.0, rough = 0.0;
  };
  std::map<std::string, Sum> sums_;  // by point, by task, and "" for all
};

}  // namespace mgqe

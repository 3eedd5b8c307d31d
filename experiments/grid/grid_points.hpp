// What the figures and ablations are made of: points, each a configuration that several seeds run.
#pragma once

#include <string>
#include <vector>

#include "experiments/grid/grid_tasks.hpp"

namespace mgqe {

/// One point of a figure, or one row of an ablation.
struct GridPoint {
  GridTask task;
  std::string series;  // the scheme, or the study
  std::string value;   // "d=8", "D=32"; in an ablation what the study varies
  /// Resolved and valid. Several where a hyper-parameter is tuned: the one with the lowest mean
  /// validation error over the seeds stands for the point, by the same rule for every scheme.
  std::vector<Config> candidates;

  /// "gmf/mgqe-D32": what --only looks at.
  std::string name() const;
};

/// How many seeds (1 to this) are planned for a point; a bound is judged when all of them are
/// there, no sooner and by no more. 0: no bound rests on the point.
size_t planned_seeds(const GridPoint& point);

struct GridChoice {
  std::vector<GridTask> tasks;
  std::vector<int> subspaces = {4, 8, 16, 32};  // D of dpq_vq and mgqe
  std::vector<double> l2 = {};  // in place of those of tasks that choose among several
  /// Laid over every run's config, by section and key.
  std::string overrides = "{}";
};

/// Figure 2: quality against size.
std::vector<GridPoint> figure2_points(const GridChoice& choice);
/// Figure 3: training loss by epoch, of full and mgqe.
std::vector<GridPoint> figure3_points(const GridChoice& choice);

/// Every scheme at its usual size on every backbone, and the anchors outside this project.
std::vector<GridPoint> scheme_points(const GridChoice& choice);

/// Quality against size on rows with many features: schemes, one codebook for all fields against
/// one each, tiers by the rule of thumb against a budget, layers in int8.
std::vector<GridPoint> feature_points(const GridChoice& choice);

/// The ablations by name; those of a list, on every task that can have them.
const std::vector<std::string>& ablation_names();
std::vector<GridPoint> ablation_points(const GridChoice& choice,
                                       const std::vector<std::string>& studies);

/// A point from its task's config with the scheme's fields set.
GridPoint make_point(const GridChoice& choice, const GridTask& task, std::string series,
                     std::string value, const Config& config);

/// The scheme at its usual size on this task: the full table, or D = 32 (16 at d = 32) with 256, or
/// 256 / 64, centroids.
Config usual_config(const GridTask& task, const std::string& scheme);
int usual_subspaces(const GridTask& task);
/// "D=32" or "d=64": the value of the scheme at its usual size.
std::string usual_value(const GridTask& task, const std::string& scheme);

}  // namespace mgqe

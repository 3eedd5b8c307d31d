#include "experiments/grid/grid_runs.hpp"

#include <algorithm>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "experiments/grid/run_key.hpp"
#include "host/base/check.hpp"

namespace mgqe {

std::vector<GridRun> grid_runs(const std::vector<GridPoint>& points,
                               const std::vector<uint64_t>& seeds) {
  std::vector<GridRun> runs;
  std::set<std::string> known;
  for (const uint64_t seed : seeds) {
    const auto first = static_cast<std::ptrdiff_t>(runs.size());
    for (const GridPoint& point : points)
      for (const Config& candidate : point.candidates) {
        GridRun run{"",        point.name(),       point.task.name,
                    candidate, point.task.longest, rough_seconds(point.task, candidate)};
        run.config.run.seed = seed;
        run.label = run.point;
        if (point.candidates.size() > 1) run.label += fmt::format(" l2={}", candidate.train.l2);
        run.label += fmt::format(" seed {}", seed);
        if (known.insert(run_key(run.config)).second) runs.push_back(std::move(run));
      }
    std::stable_sort(runs.begin() + first, runs.end(),
                     [](const GridRun& a, const GridRun& b) { return a.rough < b.rough; });
  }
  return runs;
}

GridRun at_length(const GridRun& run, const Config& length) {
  GridRun changed = run;
  changed.config = length;
  if (length.train.epochs != run.config.train.epochs) {
    changed.label += fmt::format(" for {} epochs", length.train.epochs);
    changed.rough *= static_cast<double>(length.train.epochs) / run.config.train.epochs;
  }
  return changed;
}

std::vector<GridPoint> only(const std::vector<GridPoint>& points, const std::string& expression) {
  std::vector<GridPoint> kept;
  try {
    const std::regex regex(expression, std::regex::extended);
    for (const GridPoint& point : points)
      if (std::regex_search(point.name(), regex)) kept.push_back(point);
  } catch (const std::regex_error& error) {
    input_error("--only ", expression, ": not an extended regular expression: ", error.what());
  }
  if (kept.empty() && !points.empty())
    input_error("--only ", expression, ": matches no point; they are named like ",
                points.front().name(), ", and --list shows them");
  return kept;
}

void RunCosts::learn(const GridRun& run, double seconds) {
  for (const std::string& name : {run.point, run.task, std::string()}) {
    sums_[name].measured += seconds;
    sums_[name].rough += run.rough;
  }
}

double RunCosts::seconds(const GridRun& run) const {
  for (const std::string& name : {run.point, run.task, std::string()})
    if (const auto found = sums_.find(name); found != sums_.end())
      return run.rough * found->second.measured / found->second.rough;
  return run.rough;
}

}  // namespace mgqe

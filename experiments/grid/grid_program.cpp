#include "experiments/grid/grid_program.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/ranges.h>

#include "experiments/grid/training_length.hpp"
#include "experiments/report/evidence.hpp"
#include "experiments/report/plot.hpp"
#include "experiments/report/report.hpp"
#include "host/io/console/run_table.hpp"
#include "models/backbones/canonical.hpp"

namespace mgqe {

GridProgram::GridProgram(CLI::App& app, const std::vector<std::string>& tasks)
    : app_(app), tasks_(tasks) {
  options_.program = app.get_name();
  std::string known;
  for (const std::string& task : tasks) known += (known.empty() ? "" : ", ") + task;
  for (const GridTask& task : grid_tasks())
    if (std::find(tasks.begin(), tasks.end(), task.name) == tasks.end())
      known += ", " + std::string(task.name);
  app.add_option("--tasks", tasks_, "tasks, of: " + known)
      ->delimiter(',')
      ->default_str(fmt::format("{}", fmt::join(tasks, ",")));
  app.add_option("--only", only_,
                 "points whose name matches this extended regular expression; a name is "
                 "TASK/SCHEME-SIZE, as in gmf/mgqe-D32");
  app.add_option("--seeds", seeds_, "FIRST..LAST or a list (1,2,5)")->default_str(seeds_);
  app.add_option("--store", store_, "folder of finished runs; several machines may share it")
      ->default_str(store_);
  app.add_option("--budget", budget_minutes_,
                 "minutes: no run is begun that is expected to end later [none]");
  app.add_option("--jobs", options_.jobs,
                 "runs at a time, a process each, which share the CPU's cores [the number of "
                 "cores; 1 on a GPU]");
  app.add_option("--device", options_.device, "auto, cpu, cuda or cuda:N")
      ->default_str(options_.device);
  app.add_option("--l2", l2_,
                 "L2 penalties to choose from on validation, in place of those that relevance on "
                 "Steam and click models have")
      ->delimiter(',');
  app.add_option("--config", config_,
                 "JSON file of fields by section, as of `mgqe train`, laid over every run's: for a "
                 "quick look with fewer epochs, or other data");
  app.add_option("--report", report_, "folder of report.html, report.md and figures/")
      ->default_str(report_);
  CLI::Option* report_only =
      app.add_flag("--report-only", report_only_, "write the report from the store; run nothing");
  app.add_flag("--no-report", no_report_, "run alone, as one of several machines does")
      ->excludes(report_only);
  app.add_flag("--list", list_, "say which runs there are and which are missing; run nothing");
  app.add_flag("--collect", collect_,
               "join the finished runs of the store, a file each, to its JSON-lines files, one for "
               "each data set and backbone; run nothing");
}

GridChoice GridProgram::choice() const {
  GridChoice choice;
  choice.tasks = find_tasks(tasks_);
  choice.l2 = l2_;
  if (config_.empty()) return choice;
  std::ifstream stream(config_);
  if (!stream) input_error(config_, ": cannot be read; give a JSON file to --config");
  const nlohmann::json json = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) input_error(config_, ": not a JSON object of sections");
  Config probe;
  update_from_json(probe, json, config_);
  choice.overrides = json.dump();
  return choice;
}

std::vector<GridPoint> GridProgram::chosen(const std::vector<GridPoint>& points) const {
  return only_.empty() ? points : only(points, only_);
}

std::string GridProgram::stored_table(const std::vector<GridPoint>& points) const {
  size_t others = 0;
  std::vector<nlohmann::ordered_json> results;
  for (const PointRuns& point : runs_of_points(store().all(&others), chosen(points)))
    for (const auto& [seed, run] : point.runs) results.push_back(run);
  // What stands for a point was trained until it had stopped improving: a row whatever the lengths.
  const auto of_any_length = [](const Config& config) {
    Config read = canonical(config);
    read.train.epochs = Config{}.train.epochs;
    return read;
  };
  return report_table(results, of_any_length, /*markdown=*/true);
}

void GridProgram::write_report(const GridChoice& choice) const {
  // Of every task, whatever was run just now: a report is about its store.
  GridChoice all = choice;
  all.tasks = grid_tasks();
  mgqe::write_report(RunStore(store_), all, report_);
  fmt::print("report   {}/report.html and report.md\n", report_);
}

void GridProgram::list(const std::vector<GridRun>& runs) const {
  const RunStore store(store_);
  size_t stored = 0;
  for (const GridRun& run : runs) {
    const StoredLength found = stored_length(store, run.config, run.longest);
    stored += found.next ? 0 : 1;
    fmt::print("{:<8} {}\n", found.next ? "missing" : "stored",
               found.next ? at_length(run, *found.next).label : run.label);
  }
  fmt::print("\n{} of {} runs are stored in {}\n", stored, runs.size(), store_);
}

void GridProgram::run(const std::function<std::vector<GridPoint>(const GridChoice&)>& points) {
  if (app_.count("--jobs") > 0 && options_.jobs < 1)
    input_error("--jobs ", options_.jobs, " must be 1 or more");
  if (app_.count("--budget") > 0 && !(budget_minutes_ > 0.0))
    input_error("--budget ", budget_minutes_, " must be a number of minutes above 0");
  if (collect_) {
    if (!std::filesystem::is_directory(store_))
      input_error(store_, ": no such folder: there is nothing to collect");
    fmt::print("collected {} runs in {}\n", collect(store_), store_);
    return;
  }
  options_.budget_seconds = 60.0 * budget_minutes_;
  for (const double l2 : l2_)
    if (!(l2 >= 0.0)) input_error("--l2 ", l2, " must be 0 or more");
  if (!no_report_ && !list_) require_gnuplot();  // now, rather than after hours of runs
  if (report_only_) return write_report(choice());
  const std::vector<GridRun> runs = grid_runs(chosen(points(choice())), parse_seeds(seeds_));
  if (list_) return list(runs);
  const GridSummary summary = run_grid(runs, RunStore(store_), options_);
  fmt::print("{}", to_text(summary, runs.size()));
  if (!no_report_) write_report(choice());
  std::fflush(stdout);
  if (!summary.failed.empty())
    throw Error(fmt::format("{} of {} runs failed; {}: {}", summary.failed.size(), runs.size(),
                            summary.failed.front().label, summary.failed.front().error));
}

}  // namespace mgqe

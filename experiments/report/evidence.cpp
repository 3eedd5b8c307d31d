#include "experiments/report/evidence.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "experiments/grid/run_key.hpp"
#include "experiments/grid/training_length.hpp"

namespace mgqe {
namespace {

using Json = nlohmann::ordered_json;

/// What runs of one configuration share.
std::string key_of_any_seed(Config config) {
  config.run.seed = Config{}.run.seed;
  return run_key(config);
}

using Runs = std::map<uint64_t, RunRecord>;

BySeed collect(const Runs& runs, const std::string& pointer) {
  BySeed values;
  for (const auto& [seed, run] : runs)
    if (const Json& value = run.at(Json::json_pointer(pointer)); !value.is_null())
      values[seed] = value.get<double>();
  return values;
}

/// Runs by configuration.
class Shelf {
 public:
  explicit Shelf(const std::vector<RunRecord>& runs) {
    for (const RunRecord& run : runs) {
      const Config config = recorded_config(run);
      runs_[key_of_any_seed(config)][config.run.seed] = run;
    }
  }

  PointRuns fill(const GridPoint& point) const {
    PointRuns filled{point, point.candidates.front(), {}, {}};
    if (point.candidates.size() == 1) {
      filled.runs = runs_of(filled.config, point.task.longest);
      return filled;
    }
    // Only seeds that tried every candidate count: each candidate is judged on the same seeds.
    const int longest = point.task.longest;
    const std::set<uint64_t> seeds = common_seeds(point.candidates, longest);
    double best = 0.0;
    for (const Config& candidate : point.candidates) {
      Runs runs = runs_of(candidate, longest);
      std::erase_if(runs, [&](const auto& run) { return !seeds.contains(run.first); });
      const auto validation =
          estimate(collect(runs, point.task.is_ctr() ? "/valid/logloss" : "/valid/rmse"));
      if (!validation) continue;
      filled.tuned.emplace_back(candidate, *validation);
      if (!filled.runs.empty() && validation->mean >= best) continue;
      best = validation->mean;
      filled.config = candidate;
      filled.runs = std::move(runs);
    }
    return filled;
  }

 private:
  /// By seed what stands for the config: the shortest run that had stopped improving, or the
  /// longest.
  Runs runs_of(const Config& config, int longest) const {
    std::set<uint64_t> seeds;
    std::map<int, const Runs*> by_epochs;
    for (const Config& length : training_lengths(config, longest))
      if (const auto found = runs_.find(key_of_any_seed(length)); found != runs_.end()) {
        by_epochs[length.train.epochs] = &found->second;
        for (const auto& [seed, run] : found->second) seeds.insert(seed);
      }
    Runs runs;
    for (const uint64_t seed : seeds) {
      const TrainedLength trained = trained_length(config, longest, [&](const Config& length) {
        const auto found = by_epochs.find(length.train.epochs);
        if (found == by_epochs.end()) return static_cast<const RunRecord*>(nullptr);
        const auto run = found->second->find(seed);
        return run == found->second->end() ? nullptr : &run->second;
      });
      runs.emplace(seed, *trained.stands);
    }
    return runs;
  }
  std::set<uint64_t> common_seeds(const std::vector<Config>& candidates, int longest) const {
    std::set<uint64_t> seeds;
    for (const auto& [seed, run] : runs_of(candidates.front(), longest)) seeds.insert(seed);
    for (const Config& candidate : candidates) {
      const Runs runs = runs_of(candidate, longest);
      std::erase_if(seeds, [&](uint64_t seed) { return !runs.contains(seed); });
    }
    return seeds;
  }

  std::map<std::string, Runs> runs_;
};

const PointRuns* find_in(const std::vector<PointRuns>& points, const GridTask& task,
                         const std::string& series, const std::string& value) {
  for (const PointRuns& point : points)
    if (std::string(point.point.task.name) == task.name && point.point.series == series &&
        point.point.value == value)
      return &point;
  return nullptr;
}

const PointRuns* with_runs(const PointRuns* point) {
  return point == nullptr || point->runs.empty() ? nullptr : point;
}

}  // namespace

BySeed PointRuns::values(const std::string& pointer) const { return collect(runs, pointer); }

size_t PointRuns::cut_short() const {
  return static_cast<size_t>(std::count_if(
      runs.begin(), runs.end(), [](const auto& run) { return mgqe::is_cut_short(run.second); }));
}

size_t PointRuns::to_be_longer() const {
  const int most = point.candidates.front().train.epochs * point.task.longest;
  return static_cast<size_t>(std::count_if(runs.begin(), runs.end(), [&](const auto& run) {
    return mgqe::is_cut_short(run.second) && recorded_config(run.second).train.epochs < most;
  }));
}

double PointRuns::percent_of_full(const RunRecord& run) const {
  const RunRecord& size = run.at("size");
  const double full_bits = size.at("full_bits").get<double>() /
                           static_cast<double>(config.embedding.dim) *
                           static_cast<double>(point.task.dim);
  return 100.0 * size.at("formula_bits").get<double>() / full_bits;
}

const std::vector<Measure>& measures(const GridTask& task) {
  static const std::vector<Measure> ranking = {
      {"/test/full/hr@10", "full-ranking HR@10", true, 4},
      {"/test/sampled/hr@10", "sampled HR@10", true, 4},
      {"/test/full/ndcg@10", "full-ranking NDCG@10", true, 4},
  };
  static const std::vector<Measure> relevance = {{"/test/rmse", "RMSE", false, 3}};
  static const std::vector<Measure> ctr = {{"/test/auc", "AUC", true, 5},
                                           {"/test/logloss", "log loss", false, 5}};
  if (task.is_ctr()) return ctr;
  return task.is_relevance() ? relevance : ranking;
}

std::vector<RunRecord> on_one_data(const std::vector<RunRecord>& runs, size_t& others) {
  std::vector<std::string> keys;
  std::map<std::string, std::map<std::string, size_t>> counts;
  for (const RunRecord& run : runs) {
    keys.push_back(data_key(recorded_config(run)));
    ++counts[keys.back()][recorded_data(run)];
  }
  std::vector<RunRecord> kept;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& seen = counts.at(keys[i]);
    const auto most = std::max_element(
        seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (recorded_data(runs[i]) == most->first)
      kept.push_back(runs[i]);
    else
      ++others;
  }
  return kept;
}

namespace {

std::vector<PointRuns> filled(const Shelf& shelf, const std::vector<GridPoint>& points) {
  std::vector<PointRuns> list;
  for (const GridPoint& point : points) list.push_back(shelf.fill(point));
  return list;
}

}  // namespace

std::vector<PointRuns> runs_of_points(const std::vector<RunRecord>& runs,
                                      const std::vector<GridPoint>& points) {
  size_t others = 0;
  return filled(Shelf(on_one_data(runs, others)), points);
}

Evidence::Evidence(const std::vector<RunRecord>& runs, const GridChoice& choice)
    : Evidence(runs, choice.tasks, figure2_points(choice),
               ablation_points(choice, ablation_names())) {}

Evidence::Evidence(const std::vector<RunRecord>& runs, const std::vector<GridTask>& tasks,
                   const std::vector<GridPoint>& figure2, const std::vector<GridPoint>& ablations)
    : tasks_(tasks) {
  const std::vector<RunRecord> kept = on_one_data(runs, on_other_data_);
  const Shelf shelf(kept);
  figure2_ = filled(shelf, figure2);
  ablations_ = filled(shelf, ablations);
  for (const RunRecord& run : kept) stored_.emplace(run_key(recorded_config(run)), run);
  std::vector<GridPoint> points = figure2;
  points.insert(points.end(), ablations.begin(), ablations.end());
  std::vector<uint64_t> seeds;
  for (const PointRuns& point : figure2_)
    for (const auto& [seed, run] : point.runs)
      if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  for (const GridRun& run : grid_runs(points, seeds))
    if (const RunRecord* stands = find_length(run).stands;
        stands != nullptr && stands->at("device") == "cpu")
      costs_.learn(at_length(run, recorded_config(*stands)),
                   stands->at("seconds").at("train").get<double>() +
                       stands->at("seconds").at("evaluate").get<double>());
}

TrainedLength Evidence::find_length(const GridRun& run) const {
  return trained_length(run.config, run.longest, [&](const Config& length) {
    const auto found = stored_.find(run_key(length));
    return found == stored_.end() ? nullptr : &found->second;
  });
}

std::vector<GridRun> Evidence::missing(const PointRuns& point, size_t seeds) const {
  std::vector<uint64_t> list;
  for (uint64_t seed = 1; seed <= seeds; ++seed) list.push_back(seed);
  std::vector<GridRun> runs;
  for (const GridRun& run : grid_runs({point.point}, list))
    if (const TrainedLength trained = find_length(run); trained.next)
      runs.push_back(at_length(run, *trained.next));
  return runs;
}

std::vector<const PointRuns*> Evidence::figure2(const GridTask& task) const {
  std::vector<const PointRuns*> found;
  for (const PointRuns& point : figure2_)
    if (std::string(point.point.task.name) == task.name && !point.runs.empty())
      found.push_back(&point);
  return found;
}

const PointRuns* Evidence::find(const GridTask& task, const std::string& series,
                                const std::string& value) const {
  return with_runs(find_in(figure2_, task, series, value));
}

const PointRuns* Evidence::point(const GridTask& task, const std::string& series,
                                 const std::string& value) const {
  const PointRuns* found = find_in(figure2_, task, series, value);
  return found != nullptr ? found : find_in(ablations_, task, series, value);
}

const PointRuns* Evidence::usual(const GridTask& task, const std::string& scheme) const {
  return find(task, scheme, usual_value(task, scheme));
}

const PointRuns* Evidence::ablation(const GridTask& task, const std::string& study,
                                    const std::string& value) const {
  return with_runs(find_in(ablations_, task, study, value));
}

std::vector<const RunRecord*> Evidence::used() const {
  std::map<std::string, const RunRecord*> by_command;
  for (const auto* points : {&figure2_, &ablations_})
    for (const PointRuns& point : *points)
      for (const auto& [seed, run] : point.runs)
        by_command.emplace(run.at("command").get<std::string>(), &run);
  std::vector<const RunRecord*> list;
  for (const auto& [command, run] : by_command) list.push_back(run);
  return list;
}

}  // namespace mgqe

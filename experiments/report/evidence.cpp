#include "experiments/report/evidence.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "experiments/grid/run_key.hpp"

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
      filled.runs = runs_of(filled.config);
      return filled;
    }
    // Only seeds that tried every candidate count: each candidate is judged on the same seeds.
    const std::set<uint64_t> seeds = common_seeds(point.candidates);
    double best = 0.0;
    for (const Config& candidate : point.candidates) {
      Runs runs = runs_of(candidate);
      std::erase_if(runs, [&](const auto& run) { return !seeds.contains(run.first); });
      const auto validation = estimate(collect(runs, "/valid/rmse"));
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
  Runs runs_of(const Config& config) const {
    const auto found = runs_.find(key_of_any_seed(config));
    return found == runs_.end() ? Runs{} : found->second;
  }
  std::set<uint64_t> common_seeds(const std::vector<Config>& candidates) const {
    std::set<uint64_t> seeds;
    for (const auto& [seed, run] : runs_of(candidates.front())) seeds.insert(seed);
    for (const Config& candidate : candidates) {
      const Runs runs = runs_of(candidate);
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
  const TrainConfig& train = config.train;
  const int patience = train.patience > 0 ? train.patience : kPatience;
  return static_cast<size_t>(std::count_if(runs.begin(), runs.end(), [&](const auto& run) {
    const int best = run.second.at("best_epoch").template get<int>();
    return best + patience * train.evaluate_every > train.epochs;
  }));
}

double PointRuns::percent_of_full() const {
  const RunRecord& size = runs.begin()->second.at("size");
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

std::vector<PointRuns> filled(const std::vector<RunRecord>& runs,
                              const std::vector<GridPoint>& points) {
  const Shelf shelf(runs);
  std::vector<PointRuns> list;
  for (const GridPoint& point : points) list.push_back(shelf.fill(point));
  return list;
}

}  // namespace

std::vector<PointRuns> runs_of_points(const std::vector<RunRecord>& runs,
                                      const std::vector<GridPoint>& points) {
  size_t others = 0;
  return filled(on_one_data(runs, others), points);
}

Evidence::Evidence(const std::vector<RunRecord>& runs, const GridChoice& choice)
    : tasks_(choice.tasks) {
  const std::vector<RunRecord> kept = on_one_data(runs, on_other_data_);
  figure2_ = filled(kept, figure2_points(choice));
  ablations_ = filled(kept, ablation_points(choice, ablation_names()));
  std::map<std::string, double> seconds;
  for (const RunRecord& run : kept) {
    const std::string key = run_key(recorded_config(run));
    stored_.insert(key);
    if (run.at("device") == "cpu")
      seconds[key] = run.at("seconds").at("train").get<double>() +
                     run.at("seconds").at("evaluate").get<double>();
  }
  std::vector<GridPoint> points;
  for (const auto* filled : {&figure2_, &ablations_})
    for (const PointRuns& point : *filled) points.push_back(point.point);
  std::vector<uint64_t> seeds;
  for (const PointRuns& point : figure2_)
    for (const auto& [seed, run] : point.runs)
      if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  for (const GridRun& run : grid_runs(points, seeds))
    if (const auto took = seconds.find(run_key(run.config)); took != seconds.end())
      costs_.learn(run, took->second);
}

std::vector<GridRun> Evidence::missing(const PointRuns& point, size_t seeds) const {
  std::vector<uint64_t> list;
  for (uint64_t seed = 1; seed <= seeds; ++seed) list.push_back(seed);
  std::vector<GridRun> runs = grid_runs({point.point}, list);
  std::erase_if(runs, [&](const GridRun& run) { return stored_.contains(run_key(run.config)); });
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

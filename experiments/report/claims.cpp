#include "experiments/report/claims.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "experiments/grid/run_key.hpp"

namespace mgqe {
namespace {

bool any_cut_short(const Points& points) {
  return std::any_of(points.begin(), points.end(),
                     [](const PointRuns* point) { return point->is_cut_short(); });
}

std::string ratio_title(const PointRuns& over, const PointRuns& under, const Measure& measure) {
  return fmt::format("{}, {}: {} / {}", over.point.task.title, measure.name, over.label(),
                     under.label());
}

}  // namespace

Points planned_points(const Evidence& evidence, const GridTask& task, const std::string& scheme) {
  Points points;
  for (const PointRuns& point : evidence.figure2())
    if (std::string(point.point.task.name) == task.name && point.point.series == scheme &&
        planned_seeds(point.point) > 0)
      points.push_back(&point);
  return points;
}

void rest_on(Check& check, const Evidence& evidence, const Points& over, const Points& under,
             bool higher_is_better) {
  Points all = over;
  all.insert(all.end(), under.begin(), under.end());
  check.planned = planned_seeds(all.front()->point);
  for (const PointRuns* point : all)
    check.planned = std::min(check.planned, planned_seeds(point->point));
  std::set<std::string> known;
  for (const PointRuns* point : all) {
    for (GridRun& run : evidence.missing(*point, check.planned))
      if (known.insert(run_key(run.config)).second) check.missing.push_back(std::move(run));
    if (point->is_cut_short()) check.cut_short.push_back(point->point.name());
  }
  (higher_is_better ? check.may_rise : check.may_fall) |= any_cut_short(over);
  (higher_is_better ? check.may_fall : check.may_rise) |= any_cut_short(under);
}

BySeed first(BySeed values, size_t seeds) {
  std::erase_if(values, [&](const auto& value) { return value.first > seeds; });
  return values;
}

std::optional<Check> planned_ratio(const Evidence& evidence, const Measure& measure,
                                   const PointRuns* over, const PointRuns* under) {
  if (over == nullptr || under == nullptr) return std::nullopt;
  if (planned_seeds(over->point) == 0 || planned_seeds(under->point) == 0) return std::nullopt;
  Check check{.what = ratio_title(*over, *under, measure)};
  rest_on(check, evidence, {over}, {under}, measure.higher_is_better);
  check.measured = paired_ratio(first(over->values(measure.pointer), check.planned),
                                first(under->values(measure.pointer), check.planned));
  return check;
}

std::optional<std::vector<std::pair<double, double>>> curve_of(const Points& points, uint64_t seed,
                                                               const std::string& pointer) {
  std::vector<std::pair<double, double>> curve;
  for (const PointRuns* point : points) {
    const auto run = point->runs.find(seed);
    if (run == point->runs.end()) return std::nullopt;
    const auto& value = run->second.at(nlohmann::ordered_json::json_pointer(pointer));
    if (value.is_null()) return std::nullopt;
    curve.emplace_back(point->percent_of_full(run->second), value.get<double>());
  }
  return curve;
}

BySeed over_curve(const Points& ours, const Points& rival, size_t seeds, const std::string& pointer,
                  SizeRange range) {
  BySeed ratios;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto mine = curve_of(ours, seed, pointer), theirs = curve_of(rival, seed, pointer);
    if (!mine || !theirs) continue;
    double sum = 0.0;
    size_t sizes = 0;
    for (const auto& [size, value] : *mine) {
      if (size < range.least || size > range.most) continue;
      sum += std::log(value / interpolate(*theirs, size));
      ++sizes;
    }
    if (sizes > 0) ratios[seed] = std::exp(sum / static_cast<double>(sizes));
  }
  return ratios;
}

BySeed loss_ratios(const PointRuns& ours, const PointRuns& full) {
  BySeed gaps;
  for (const auto& [seed, run] : ours.runs) {
    const auto other = full.runs.find(seed);
    if (other == full.runs.end()) continue;
    const auto &mine = run.at("train_loss"), &theirs = other->second.at("train_loss");
    const size_t epochs =
        std::min({mine.size(), theirs.size(), static_cast<size_t>(full.config.train.epochs)});
    if (epochs > 0)
      gaps[seed] = mine.at(epochs - 1).get<double>() / theirs.at(epochs - 1).get<double>();
  }
  return gaps;
}

Verdict all_of(const std::vector<Verdict>& verdicts) {
  for (const Verdict worst : {Verdict::kNotSupported, Verdict::kNotEnoughRuns, Verdict::kCutShort,
                              Verdict::kNotJudged, Verdict::kUndecided})
    if (std::find(verdicts.begin(), verdicts.end(), worst) != verdicts.end()) return worst;
  return verdicts.empty() ? Verdict::kNotEnoughRuns : Verdict::kSupported;
}

std::string to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kNotSupported:
      return "not supported";
    case Verdict::kUndecided:
      return "undecided";
    case Verdict::kCutShort:
      return "cut short";
    case Verdict::kNotJudged:
      return "not judged";
    case Verdict::kNotEnoughRuns:
      break;
  }
  return "not enough runs";
}

Verdict Check::so_far(size_t bounds) const {
  if (decided) return *decided;
  if (!measured || (planned > 0 && measured->seeds < 2)) return Verdict::kNotEnoughRuns;
  const Estimate interval = shared_among(*measured, bounds);
  const bool low_keeps = at_least ? interval.low() >= bound : interval.low() <= bound;
  const bool high_keeps = at_least ? interval.high() >= bound : interval.high() <= bound;
  if (low_keeps != high_keeps) return Verdict::kUndecided;
  if (low_keeps) return (at_least ? may_fall : may_rise) ? Verdict::kCutShort : Verdict::kSupported;
  return (at_least ? may_rise : may_fall) ? Verdict::kCutShort : Verdict::kNotSupported;
}

Verdict Check::verdict(size_t bounds) const {
  if (decided) return *decided;
  if (!measured || measured->seeds < planned) return Verdict::kNotEnoughRuns;
  return so_far(bounds);
}

Verdict Claim::verdict() const {
  for (const Check& check : checks)
    if (check.verdict(checks.size()) == Verdict::kNotSupported) return Verdict::kNotSupported;
  std::vector<Verdict> verdicts;
  for (const Check& check : checks) {
    const Verdict alone = check.verdict();
    // Broken alone, but not among so many.
    verdicts.push_back(alone == Verdict::kNotSupported ? Verdict::kUndecided : alone);
  }
  return all_of(verdicts);
}

std::vector<GridRun> Claim::missing() const {
  std::vector<GridRun> runs;
  std::set<std::string> known;
  for (const Check& check : checks)
    for (const GridRun& run : check.missing)
      if (known.insert(run_key(run.config)).second) runs.push_back(run);
  return runs;
}

namespace {

/// " seeds 1–3, 5".
std::string seeds_text(const std::set<uint64_t>& seeds) {
  std::string list;
  for (auto seed = seeds.begin(); seed != seeds.end();) {
    const uint64_t from = *seed;
    uint64_t to = from;
    while (++seed != seeds.end() && *seed == to + 1) to = *seed;
    list += (list.empty() ? "" : ", ") +
            (from == to ? std::to_string(from) : fmt::format("{}–{}", from, to));
  }
  return fmt::format(" seed{} {}", seeds.size() == 1 ? "" : "s", list);
}

}  // namespace

std::string names_of(const std::vector<GridRun>& runs) {
  std::map<std::string, std::pair<std::set<uint64_t>, size_t>> points;  // seeds, and runs
  for (const GridRun& run : runs) {
    auto& [seeds, count] = points[run.point];
    seeds.insert(run.config.run.seed);
    ++count;
  }
  // Points of a task that lack the same are named together: "gmf/{full-d64, mgqe-D32} seeds 4–6".
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  std::map<std::string, size_t> places;
  for (const auto& [name, point] : points) {
    const auto& [seeds, count] = point;
    std::string what = seeds_text(seeds);
    if (count > seeds.size()) what += fmt::format(" ({} runs of each)", count);
    const size_t slash = name.find('/');
    const auto [place, added] = places.emplace(name.substr(0, slash) + what, groups.size());
    if (added)
      groups.emplace_back(what, std::vector<std::string>{name});
    else
      groups[place->second].second.push_back(name.substr(slash + 1));
  }
  std::string text;
  for (const auto& [what, names] : groups) {
    const std::string& first = names.front();
    const size_t slash = first.find('/');
    text += text.empty() ? "" : "; ";
    if (names.size() == 1)
      text += first + what;
    else
      text += fmt::format("{}/{{{}, {}}}{}", first.substr(0, slash), first.substr(slash + 1),
                          fmt::join(names.begin() + 1, names.end(), ", "), what);
  }
  return text;
}

std::string time_of(const std::vector<GridRun>& runs, const RunCosts& costs) {
  double seconds = 0.0;
  for (const GridRun& run : runs) seconds += costs.seconds(run);
  if (seconds < 90) return fmt::format("about {:.0f} s", seconds);
  return seconds < 5400 ? fmt::format("about {:.0f} min", seconds / 60)
                        : fmt::format("about {:.1f} h", seconds / 3600);
}

}  // namespace mgqe

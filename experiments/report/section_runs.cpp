// How the figures were made, what is missing, what made them.
#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "experiments/report/sections.hpp"
#include "host/base/numerics.hpp"

namespace mgqe {
namespace {

std::string plural(size_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// "AMD EPYC, 1 thread (cpu): 120 runs; ..."
std::string tally(const std::map<std::string, size_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += (text.empty() ? "" : "; ") + name + ": " + plural(count, "run");
  return text;
}

/// Points of one task by scheme or study: "D=4: 5 of 10, D=8: 5 of 10", and the runs they lack.
void add_coverage(std::vector<TableRow>& rows, const Evidence& evidence,
                  const std::vector<PointRuns>& points, const GridTask& task,
                  const std::function<size_t(const GridPoint&)>& seeds) {
  std::vector<std::string> order;
  std::map<std::string, std::pair<std::string, std::vector<GridRun>>> covered;
  for (const PointRuns& point : points) {
    if (std::string(point.point.task.name) != task.name) continue;
    const size_t planned = seeds(point.point);
    if (planned == 0 && point.runs.empty()) continue;
    if (!covered.contains(point.point.series)) order.push_back(point.point.series);
    auto& [text, missing] = covered[point.point.series];
    text += fmt::format("{}{}: {} of {}", text.empty() ? "" : ", ", point.point.value,
                        point.runs.size(), planned);
    for (GridRun& run : evidence.missing(point, planned)) missing.push_back(std::move(run));
  }
  for (const std::string& series : order) {
    const auto& [text, missing] = covered.at(series);
    rows.push_back({task.name, series, text, std::to_string(missing.size()),
                    missing.empty() ? "" : "at least " + time_of(missing, evidence.costs())});
  }
}

}  // namespace

void add_method(Document& document, const Evidence& evidence) {
  document.heading("How it was measured");
  document.list({
      "Selection is by validation alone, by one rule for every scheme: of a run the epoch whose "
      "compressed model has the highest full-ranking NDCG@10 on the validation actions (relevance: "
      "the lowest RMSE on the validation pairs) is tested, once.",
      "Hyper-parameters are those of the backbone's authors, the same for every scheme. One is "
      "tuned: the L2 penalty of relevance on Steam, to the value with the lowest mean validation "
      "RMSE over the seeds that tried every value, for each point apart.",
      "Ranking leaves the last action of each user out for test and the one before for validation. "
      "`sampled` ranks it against 100 items the user never touched, `full` against every item the "
      "user has not seen. Equal scores count by their expectation over random orders.",
      "MovieLens-1M is the file that the SASRec authors prepared (`ml-1m.txt`, fingerprint "
      "54d8619911e7031b). GroupLens's `ratings.dat`, which `fetch_data.sh` downloads, has the same "
      "actions, but several in one second, and their order within it decides what is held out: 26% "
      "of the users get another test item. Figures by it are not these, and a run is known by the "
      "fingerprint of its data, so that no figure mixes the two.",
      "Figures are those of the packed model: bit-packed codes, decoded.",
      "± is half the 95% interval of the mean by Student's t; a figure without it is one seed's. "
      "Ratios are taken seed by seed and then averaged.",
      "Sizes come three ways: embedding tables by the paper's formula, the same as packed, and the "
      "whole file with dense weights, id maps and header.",
  });
  std::vector<TableRow> tuned;
  for (const PointRuns& point : evidence.figure2()) {
    if (point.tuned.empty()) continue;
    TableRow row = {point.label(), std::to_string(point.runs.size())};
    for (const auto& [config, validation] : point.tuned)
      row.push_back(fmt::format("{}{}", to_text(validation, 3),
                                config.train.l2 == point.config.train.l2 ? " *" : ""));
    if (tuned.empty() || row.size() == tuned.front().size()) tuned.push_back(std::move(row));
  }
  if (tuned.empty()) return;
  TableRow header = {"embedding", "seeds"};
  for (const PointRuns& point : evidence.figure2())
    if (header.size() == 2)
      for (const auto& [config, validation] : point.tuned)
        header.push_back(fmt::format("L2 = {:g}", config.train.l2));
  document.table("Mean validation RMSE by L2 penalty; * is taken.", header, tuned, 1,
                 "The L2 penalties tried");
}

void add_missing(Document& document, const Evidence& evidence, size_t seeds) {
  document.heading("What is there, and what is missing");
  document.paragraph(fmt::format(
      "Seeds stored of each point, of those planned; points that no bound rests on have none "
      "planned. Of ablations, {} each. Times are of one thread on CPUs like those that made the "
      "stored runs, one run after the other, and at least what it takes: a run that has not "
      "stopped improving is missing in its next length, and may need a further one. "
      "`build/release/figure2 --list` names the runs one by one; the same command without `--list` "
      "makes them.",
      seeds));
  std::vector<TableRow> figures, ablations;
  for (const GridTask& task : evidence.tasks()) {
    add_coverage(figures, evidence, evidence.figure2(), task, planned_seeds);
    const bool some = std::any_of(
        evidence.ablations().begin(), evidence.ablations().end(), [&](const PointRuns& point) {
          return std::string(point.point.task.name) == task.name && !point.runs.empty();
        });
    if (some || std::string(task.name) == "gmf")
      add_coverage(ablations, evidence, evidence.ablations(), task,
                   [&](const GridPoint&) { return seeds; });
  }
  document.table("Figures 2 and 3", {"task", "scheme", "seeds by size", "missing", "time"}, figures,
                 3);
  document.table("Ablations", {"task", "study", "seeds by value", "missing", "time"}, ablations, 3,
                 "Ablations");
}

void add_provenance(Document& document, const Evidence& evidence, size_t others) {
  document.heading("What made these figures");
  std::map<std::string, size_t> devices, commits;
  std::map<std::string, std::set<std::string>> data;
  const std::vector<const RunRecord*> runs = evidence.used();
  for (const RunRecord* run : runs) {
    ++devices[run->at("device_description").get<std::string>() + " (" +
              run->at("device").get<std::string>() + ")"];
    ++commits[run->at("commit").get<std::string>()];
    const auto& set = run->at("data");
    data[set.at("name").get<std::string>()].insert(set.value("fingerprint", "unknown"));
  }
  std::vector<std::string> items = {
      plural(runs.size(), "run") + fmt::format(", numerics version {}", kNumericsVersion),
      "Devices: " + tally(devices), "Commits: " + tally(commits)};
  for (const auto& [name, fingerprints] : data) {
    std::string text = "Data `" + name + "`, fingerprint";
    for (const std::string& fingerprint : fingerprints) text += " " + fingerprint;
    items.push_back(text);
  }
  if (others > 0)
    items.push_back(plural(others, "stored run") +
                    " of another numerics version set aside: the code has changed since");
  if (evidence.on_other_data() > 0)
    items.push_back(plural(evidence.on_other_data(), "stored run") +
                    " on other data of the same name set aside: no figure mixes two data sets");
  document.list(items);
  document.paragraph(
      "Every run is a JSON file under `runs/`, with the command that repeats it. All together:");
  document.code(
      "build/release/figure2 --seeds 1..10\nbuild/release/figure3 --seeds 1..10\n"
      "build/release/figure2 --tasks video-gmf,video-sasrec,relevance-synthetic --seeds 1\n"
      "build/release/ablation --seeds 1..10\n"
      "build/release/figure2 --report-only    # this report, from what is stored");
  std::vector<TableRow> commands;
  for (const auto* points : {&evidence.figure2(), &evidence.ablations()})
    for (const PointRuns& point : *points)
      if (!point.runs.empty())
        commands.push_back(
            {point.point.name(),
             fmt::format("`{}`", point.runs.begin()->second.at("command").get<std::string>())});
  if (!commands.empty())
    document.table("", {"point", "command of its first seed"}, commands, 2,
                   "The command of every point");
}

}  // namespace mgqe

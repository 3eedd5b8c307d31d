// How the figures were made, what is missing, what made them.
#include <algorithm>
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

/// Seeds by value of one scheme: "D=4: 5, D=8: 5", and how many runs are lacking.
struct Coverage {
  std::string text;
  size_t missing = 0;
};

std::map<std::string, Coverage> coverage(const std::vector<PointRuns>& points, const GridTask& task,
                                         size_t seeds, std::vector<std::string>& order) {
  std::map<std::string, Coverage> covered;
  for (const PointRuns& point : points) {
    if (std::string(point.point.task.name) != task.name) continue;
    if (!covered.contains(point.point.series)) order.push_back(point.point.series);
    Coverage& entry = covered[point.point.series];
    entry.text += fmt::format("{}{}: {}", entry.text.empty() ? "" : ", ", point.point.value,
                              point.runs.size());
    entry.missing += seeds - std::min(seeds, point.runs.size());
  }
  return covered;
}

void add_coverage(std::vector<TableRow>& rows, const std::vector<PointRuns>& points,
                  const GridTask& task, size_t seeds) {
  std::vector<std::string> order;
  const auto covered = coverage(points, task, seeds, order);
  for (const std::string& series : order)
    rows.push_back(
        {task.name, series, covered.at(series).text, std::to_string(covered.at(series).missing)});
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
      "Seeds stored of each point, and runs that {} seeds each would still need. `build/release/"
      "figure2 --list` names them one by one; the same command without `--list` makes them.",
      seeds));
  std::vector<TableRow> figures, ablations;
  for (const GridTask& task : evidence.tasks()) {
    add_coverage(figures, evidence.figure2(), task, seeds);
    const bool some = std::any_of(
        evidence.ablations().begin(), evidence.ablations().end(), [&](const PointRuns& point) {
          return std::string(point.point.task.name) == task.name && !point.runs.empty();
        });
    if (some || std::string(task.name) == "gmf")
      add_coverage(ablations, evidence.ablations(), task, seeds);
  }
  document.table("Figures 2 and 3", {"task", "scheme", "seeds by size", "missing"}, figures, 3);
  document.table("Ablations", {"task", "study", "seeds by value", "missing"}, ablations, 3,
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
    if (fingerprints.size() > 1) text += ": these runs did not all see the same data";
    items.push_back(text);
  }
  if (others > 0)
    items.push_back(plural(others, "stored run") +
                    " of another numerics version set aside: the code has changed since");
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

#include <fmt/format.h>

#include "experiments/report/sections.hpp"

namespace mgqe {
namespace {

std::string shown(const std::optional<Estimate>& estimate, int digits) {
  return estimate ? to_text(*estimate, digits) : "";
}

std::string ratio(const PointRuns& point, const PointRuns* base, const std::string& pointer) {
  if (base == nullptr) return "";
  return shown(paired_ratio(point.values(pointer), base->values(pointer)), 3);
}

TableRow head_and_tail_row(const Evidence& evidence, const PointRuns& point) {
  const GridTask& task = point.point.task;
  const PointRuns* full = evidence.usual(task, "full");
  TableRow row = {task.title, point.label(), std::to_string(point.runs.size()),
                  fmt::format("{:.2f}%", point.percent_of_full())};
  for (const char* pointer : {"/test/full/head/hr@10", "/test/full/tail/hr@10",
                              "/test/sampled/head/hr@10", "/test/sampled/tail/hr@10"}) {
    row.push_back(shown(estimate(point.values(pointer)), 4));
    row.push_back(ratio(point, full, pointer));
  }
  return row;
}

const char* study_title(const std::string& study) {
  struct Title {
    const char *study, *title;
  };
  static constexpr Title kTitles[] = {
      {"variant", "The three variants of MGQE"},
      {"tiers", "Number of tiers; 1 is DPQ"},
      {"cut", "Where the head ends, as a fraction of the ids"},
      {"tail-k", "Centroids of the tail; 256 is DPQ"},
      {"commitment", "Weight of the commitment loss"},
      {"codebook-weight", "Weight of the codebook loss"},
      {"codebook-rate",
       "Learning rate of codebooks and dense parameters, as a multiple of the rows' rate"},
      {"kmeans-start", "Iterations of k-means that the codebooks start from"},
      {"distance-bn", "Distances batch-normalized as in the DPQ authors' code"},
      {"tables", "Which tables are quantized; the others are full"},
      {"softmax", "DPQ's two variants"},
  };
  for (const Title& title : kTitles)
    if (study == title.study) return title.title;
  return "";
}

/// Of the last epoch, by seed.
BySeed last_loss(const PointRuns& point) {
  BySeed last;
  for (const auto& [seed, run] : point.runs)
    if (const auto& losses = run.at("train_loss"); !losses.empty())
      last[seed] = losses.back().get<double>();
  return last;
}

void add_study(Document& document, const Evidence& evidence, const GridTask& task,
               const std::string& study) {
  const PointRuns *usual = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
  std::vector<TableRow> rows;
  for (const PointRuns& point : evidence.ablations()) {
    if (std::string(point.point.task.name) != task.name || point.point.series != study) continue;
    if (point.runs.empty()) continue;
    TableRow row = {point.point.value, scheme_label(point.config.embedding),
                    std::to_string(point.runs.size()),
                    fmt::format("{:.2f}%", point.percent_of_full())};
    for (const Measure& measure : measures(task))
      row.push_back(shown(estimate(point.values(measure.pointer)), measure.digits));
    row.push_back(ratio(point, usual, measures(task).front().pointer));
    row.push_back(full == nullptr ? ""
                                  : shown(paired_ratio(last_loss(point), last_loss(*full)), 3));
    rows.push_back(std::move(row));
  }
  // One row varies nothing: it is the usual table alone.
  if (rows.size() < 2) return;
  TableRow header = {study, "embedding", "seeds", "size"};
  for (const Measure& measure : measures(task)) header.push_back(measure.name);
  header.push_back(measures(task).front().name + " / usual");
  header.push_back("last training loss / full's");
  document.table(fmt::format("{}: {}", task.title, study_title(study)), header, rows, 2);
}

}  // namespace

void add_head_and_tail(Document& document, const Evidence& evidence) {
  document.heading("Head and tail");
  document.paragraph(
      "HR@10 apart for the users whose held-out item is among the most popular 10% (head) and for "
      "the others (tail); each beside its ratio to the full table's, paired by seed.");
  std::vector<TableRow> rows;
  for (const GridTask& task : evidence.tasks()) {
    if (task.is_relevance()) continue;
    for (const char* scheme : {"full", "dpq_vq", "mgqe"})
      if (const PointRuns* point = evidence.usual(task, scheme))
        rows.push_back(head_and_tail_row(evidence, *point));
  }
  if (rows.empty()) {
    document.paragraph("No run of it is stored yet.");
    return;
  }
  document.table("",
                 {"task", "embedding", "seeds", "size", "full, head", "/ full's", "full, tail",
                  "/ full's", "sampled, head", "/ full's", "sampled, tail", "/ full's"},
                 rows, 2);
}

void add_ablations(Document& document, const Evidence& evidence) {
  document.heading("Ablations");
  document.paragraph(
      "Each varies one thing of the usual mgqe table: D = 32 (16 at d = 32), K = 256 / 64, the "
      "most "
      "popular 10% as head. Ratios are to that table and to the full one, paired by seed.");
  const size_t before = document.blocks.size();
  for (const GridTask& task : evidence.tasks())
    for (const std::string& study : ablation_names()) add_study(document, evidence, task, study);
  if (document.blocks.size() == before) document.paragraph("No run of them is stored yet.");
}

}  // namespace mgqe

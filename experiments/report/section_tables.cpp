#include <set>

#include <fmt/format.h>

#include "experiments/grid/run_key.hpp"
#include "experiments/report/codebook_use.hpp"
#include "experiments/report/sections.hpp"
#include "host/config/scheme_traits.hpp"

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
      {"equal-bytes",
       "Codebooks of 16 bits, and what their bytes are spent on; f32-256/64 is the paper's"},
      {"budget", "Tiers by the rule of thumb, and from a budget of as many bytes"},
  };
  for (const Title& title : kTitles)
    if (study == title.study) return title.title;
  return "";
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
    row.push_back(full == nullptr ? "" : shown(estimate(loss_ratios(point, *full)), 3));
    rows.push_back(std::move(row));
  }
  // One row varies nothing: it is the usual table alone.
  if (rows.size() < 2) return;
  TableRow header = {study, "embedding", "seeds", "size"};
  for (const Measure& measure : measures(task)) header.push_back(measure.name);
  header.push_back(measures(task).front().name + " / usual");
  header.push_back("training loss / full's");
  document.table(fmt::format("{}: {}", task.title, study_title(study)), header, rows, 2);
}

}  // namespace

void add_asked(Document& document, const Evidence& evidence) {
  struct Asked {
    const char *task, *pointer, *measure;
    double low, high;
    int digits;
  };
  // From published figures and other implementations; for the RMSE an upper end alone.
  static constexpr Asked kAsked[] = {
      {"gmf", "/test/sampled/hr@10", "sampled HR@10", 0.645, 0.665, 4},
      {"gmf", "/test/full/hr@10", "full-ranking HR@10", 0.076, 0.086, 4},
      {"neumf", "/test/sampled/hr@10", "sampled HR@10", 0.633, 0.657, 4},
      {"neumf", "/test/full/hr@10", "full-ranking HR@10", 0.073, 0.087, 4},
      {"sasrec", "/test/sampled/hr@10", "sampled HR@10", 0.812, 0.828, 4},
      {"sasrec", "/test/sampled/ndcg@10", "sampled NDCG@10", 0.580, 0.600, 4},
      {"sasrec", "/test/full/hr@10", "full-ranking HR@10", 0.233, 0.257, 4},
      {"relevance", "/test/rmse", "RMSE", 0.0, 14.4, 3},
  };
  document.heading("Full tables against what was asked of them");
  std::vector<TableRow> rows;
  for (const Asked& asked : kAsked)
    for (const GridTask& task : evidence.tasks()) {
      const PointRuns* full = evidence.usual(task, "full");
      if (asked.task != std::string(task.name) || full == nullptr) continue;
      const Estimate measured = *estimate(full->values(asked.pointer));
      const bool kept = measured.mean >= asked.low && measured.mean <= asked.high;
      rows.push_back({task.title, asked.measure,
                      asked.low > 0.0 ? fmt::format("{:g} to {:g}", asked.low, asked.high)
                                      : fmt::format("at most {:g}", asked.high),
                      to_text(measured, asked.digits), std::to_string(measured.seeds),
                      kept ? "as asked" : "missed"});
    }
  if (rows.empty())
    document.paragraph("No run of it is stored yet.");
  else
    document.table("Means over seeds. A baseline that is too weak would flatter every ratio to it.",
                   {"task", "measure", "asked", "measured", "seeds", ""}, rows, 2);
}

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

void add_codebook_use(Document& document, const Evidence& evidence) {
  document.heading("Use of the codebooks");
  document.paragraph(
      "Perplexity is the exponential of the entropy of the codes, mean over subspaces: the number "
      "of "
      "centroids that as many equally frequent ones would be, at most those a tier may use. "
      "`unused` "
      "are centroids that no id has. Of the best epoch; means over seeds.");
  std::vector<TableRow> rows;
  size_t told = 0, silent = 0;
  std::set<std::string> names;
  for (const auto* points : {&evidence.figure2(), &evidence.ablations()})
    for (const PointRuns& point : *points) {
      if (point.runs.empty() || !traits_of_scheme(point.config.embedding.scheme).quantized ||
          !names.insert(run_key(point.config)).second)
        continue;
      const CodebookUse use = codebook_use(point);
      told += use.runs;
      silent += point.runs.size() - use.runs;
      for (const TierUse& tier : use.tiers)
        rows.push_back({point.point.task.title, scheme_label(point.config.embedding),
                        fmt::format("{}, tier {}", tier.table, tier.tier + 1),
                        std::to_string(tier.rows), to_text(tier.perplexity, 1),
                        std::to_string(tier.centroids),
                        fmt::format("{:.1f}%", 100 * tier.unused_share),
                        std::to_string(tier.perplexity.seeds)});
    }
  if (silent > 0)
    document.paragraph(
        fmt::format("{} of {} stored runs of quantized tables do not tell: they were made before "
                    "the store kept "
                    "it.",
                    silent, silent + told));
  if (rows.empty()) {
    document.paragraph("No stored run tells of it.");
    return;
  }
  document.table("", {"task", "embedding", "table", "rows", "perplexity", "of", "unused", "seeds"},
                 rows, 3, fmt::format("{} tiers", rows.size()));
}

void add_ablations(Document& document, const Evidence& evidence) {
  document.heading("Ablations");
  document.paragraph(
      "Each varies one thing of the usual mgqe table: D = 32 (16 at d = 32), K = 256 / 64, the "
      "most "
      "popular 10% as head. Ratios are to that table and to the full one, paired by seed; that of "
      "the "
      "training loss is of the last epoch of a run of the first length, however long some were "
      "made.");
  const size_t before = document.blocks.size();
  for (const GridTask& task : evidence.tasks())
    for (const std::string& study : ablation_names()) add_study(document, evidence, task, study);
  if (document.blocks.size() == before) document.paragraph("No run of them is stored yet.");
}

}  // namespace mgqe

#include <algorithm>

#include <fmt/format.h>

#include "experiments/report/codebook_use.hpp"
#include "experiments/report/plot.hpp"
#include "experiments/report/sections.hpp"

namespace mgqe {
namespace {

constexpr double kFrameShare = 0.55;   // of the best
constexpr double kFrameError = 1.20;   // times the least RMSE
constexpr double kFrameBeyond = 0.10;  // of the best, on its other side
constexpr double kAucBelow = 0.05;     // of the best AUC
constexpr double kAucBeyond = 0.004;
constexpr const char* kFolder = "figures/";  // as the report names it

std::string kib(double bits) { return fmt::format("{:.0f}", bits / 8192.0); }

double size_of(const PointRuns& point, const char* field) {
  return point.runs.begin()->second.at("size").at(field).get<double>();
}

std::string shown(const std::optional<Estimate>& estimate, int digits) {
  return estimate ? to_text(*estimate, digits) : "";
}

/// Ends the frame where quality is far below the best, lest one scheme flatten all others, and a
/// little beyond the best, lest the interval of two seeds do.
void frame(Plot& plot, const Measure& measure) {
  double least = 1e300, most = -1e300, least_mean = 1e300, most_mean = -1e300;
  for (const PlotSeries& series : plot.series)
    for (const PlotPoint& point : series.points) {
      least = std::min(least, point.y - point.half_width);
      most = std::max(most, point.y + point.half_width);
      least_mean = std::min(least_mean, point.y);
      most_mean = std::max(most_mean, point.y);
    }
  const double margin = 0.03 * (most - least) + 1e-3 * most;
  const bool higher = measure.higher_is_better;
  const double best = higher ? most_mean : least_mean;
  if (measure.pointer == "/test/auc") {
    plot.y_low = std::max(least - margin, best - kAucBelow);
    plot.y_high = best + kAucBeyond;
    return;
  }
  plot.y_low = std::max(least - margin, best * (higher ? kFrameShare : 1.0 - kFrameBeyond));
  plot.y_high = std::min(most + margin, best * (higher ? 1.0 + kFrameBeyond : kFrameError));
}

Plot quality_plot(const Evidence& evidence, const GridTask& task, const Measure& measure,
                  const std::string& name) {
  Plot plot{name, task.title, "size, % of the full table (log)", measure.name, true, true, {},
            0,    0};
  for (const PointRuns* point : evidence.figure2(task)) {
    const auto value = estimate(point->values(measure.pointer));
    if (plot.series.empty() || plot.series.back().name != point->point.series)
      plot.series.push_back({point->point.series, {}});
    plot.series.back().points.push_back({point->percent_of_full(), value->mean, value->half_width});
  }
  frame(plot, measure);
  return plot;
}

Block::Figure figure(const std::vector<Plot>& plots, const std::string& name,
                     const std::string& title, const std::filesystem::path& folder) {
  return {draw(plots, name, title, folder), kFolder + name + ".svg", title};
}

/// "17–20 of 20 (5 cut short)".
std::string best_epochs(const PointRuns& point) {
  int earliest = 1 << 30, latest = 0, shortest = 1 << 30, longest = 0;
  for (const auto& [seed, run] : point.runs) {
    const int epoch = run.at("best_epoch").get<int>();
    const int allowed = recorded_config(run).train.epochs;
    shortest = std::min(shortest, allowed);
    longest = std::max(longest, allowed);
    earliest = std::min(earliest, epoch);
    latest = std::max(latest, epoch);
  }
  std::string text =
      earliest == latest ? std::to_string(latest) : fmt::format("{}–{}", earliest, latest);
  text += fmt::format(" of {}", shortest);
  if (longest > shortest) text += fmt::format("–{}", longest);
  const size_t cut = point.cut_short();
  return cut == 0 ? text : fmt::format("{} ({} cut short)", text, cut);
}

/// What the best epoch, or a tuned penalty, is chosen by; click models' best epoch is by AUC.
const Measure& selected_by(const GridTask& task) {
  static const Measure ranking{"/valid/full/ndcg@10", "validation NDCG@10", true, 4};
  static const Measure relevance{"/valid/rmse", "validation RMSE", false, 3};
  static const Measure ctr{"/valid/logloss", "validation log loss", false, 5};
  if (task.is_ctr()) return ctr;
  return task.is_relevance() ? relevance : ranking;
}

bool is_tuned(const GridTask& task) { return task.is_relevance() || task.is_ctr(); }

TableRow quality_header(const GridTask& task) {
  TableRow header = {"embedding", "size"};
  for (const Measure& measure : measures(task)) header.push_back(measure.name);
  header.insert(header.begin() + 3, "/ full's");
  header.push_back(selected_by(task).name);
  if (is_tuned(task)) header.push_back("L2");
  header.insert(header.end(), {"seeds", "best epoch", "KiB by formula / packed / file"});
  return header;
}

TableRow quality_row(const Evidence& evidence, const PointRuns& point) {
  const GridTask& task = point.point.task;
  TableRow row = {point.label(), fmt::format("{:.2f}%", point.percent_of_full())};
  for (const Measure& measure : measures(task))
    row.push_back(shown(estimate(point.values(measure.pointer)), measure.digits));
  const PointRuns* full = evidence.usual(task, "full");
  const std::string& pointer = measures(task).front().pointer;
  row.insert(row.begin() + 3,
             full == nullptr ? ""
                             : shown(paired_ratio(point.values(pointer), full->values(pointer)),
                                     task.is_ctr() ? 5 : 3));
  const Measure& selection = selected_by(task);
  row.push_back(shown(estimate(point.values(selection.pointer)), selection.digits));
  if (is_tuned(task)) row.push_back(fmt::format("{:g}", point.config.train.l2));
  row.push_back(std::to_string(point.runs.size()));
  row.push_back(best_epochs(point));
  row.push_back(fmt::format("{} / {} / {}", kib(size_of(point, "formula_bits")),
                            kib(size_of(point, "payload_bits")),
                            kib(8 * size_of(point, "file_bytes"))));
  return row;
}

/// The mean loss by epoch over the seeds.
std::vector<PlotPoint> loss_curve(const PointRuns& point) {
  std::vector<std::vector<double>> losses;
  size_t epochs = 1u << 20;
  for (const auto& [seed, run] : point.runs) {
    losses.push_back(run.at("train_loss").get<std::vector<double>>());
    epochs = std::min(epochs, losses.back().size());
  }
  std::vector<PlotPoint> curve;
  for (size_t epoch = 0; epoch < epochs; ++epoch) {
    double sum = 0.0;
    for (const auto& loss : losses) sum += loss[epoch];
    curve.push_back({static_cast<double>(epoch + 1), sum / static_cast<double>(losses.size())});
  }
  return curve;
}

/// mgqe's loss over full's at an epoch, paired by seed.
std::string loss_ratio(const PointRuns& mgqe, const PointRuns& full, size_t epoch) {
  BySeed ours, theirs;
  for (const auto& [values, point] : {std::pair(&ours, &mgqe), std::pair(&theirs, &full)})
    for (const auto& [seed, run] : point->runs)
      if (run.at("train_loss").size() >= epoch)
        (*values)[seed] = run.at("train_loss").at(epoch - 1).get<double>();
  return shown(paired_ratio(ours, theirs), 4);
}

/// The largest ratio of an epoch's loss to the least before it, by seed.
BySeed largest_rise(const PointRuns& point) {
  BySeed rises;
  for (const auto& [seed, run] : point.runs) {
    double rise = 0.0, least = 0.0;
    for (const double loss : run.at("train_loss").get<std::vector<double>>()) {
      if (least > 0.0) rise = std::max(rise, loss / least);
      least = least > 0.0 ? std::min(least, loss) : loss;
    }
    rises[seed] = rise;
  }
  return rises;
}

/// Whether DPQ's softmax variant uses its codebook.
void add_softmax_use(Document& document, const Evidence& features) {
  std::vector<TableRow> rows;
  for (const PointRuns& point : features.figure2()) {
    if (point.config.embedding.scheme != "dpq_sx" || point.runs.empty()) continue;
    const CodebookUse use = codebook_use(point);
    if (use.tiers.empty()) continue;
    const TierUse& tier = use.tiers.front();
    rows.push_back({point.point.task.title, point.point.series,
                    fmt::format("{:g}", point.config.train.l2),
                    shown(estimate(point.values(measures(point.point.task).front().pointer)), 5),
                    fmt::format("{} of {}", to_text(tier.perplexity, 1), tier.centroids),
                    fmt::format("{:.1f}%", 100 * tier.unused_share),
                    fmt::format("{} of {}", use.collapsed, use.runs)});
  }
  if (rows.empty()) return;
  document.heading("DPQ's softmax variant", 3);
  document.paragraph(
      "Whether its codes tell rows apart: perplexity as under \"Use of the codebooks\". t0.1 is a "
      "temperature of 0.1 in place of 1, tf normalizes responses by batch as the DPQ authors' code "
      "does.");
  document.table("", {"task", "embedding", "L2", "AUC", "perplexity", "unused", "collapsed runs"},
                 rows, 2);
}

}  // namespace

void add_overview(Document& document, const Evidence& evidence,
                  const std::filesystem::path& figures) {
  std::vector<Plot> panels;
  for (const GridTask& task : evidence.tasks())
    if (task.every_size && !evidence.figure2(task).empty())
      panels.push_back(quality_plot(evidence, task, measures(task).front(),
                                    fmt::format("overview-{}", task.name)));
  if (panels.empty()) return;
  document.figures(
      {figure(panels, "figure2", "Quality against size: every scheme on every task", figures)});
}

void add_figure2(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures) {
  document.heading("Figure 2: quality against size");
  document.paragraph(
      "Marks are means over seeds, bars their 95% intervals where there are several. Size is that "
      "of the embedding tables by the paper's formula against the full table of the backbone's own "
      "dimension, whatever dimension a table has itself. Judge by full ranking: sampled ranking "
      "hides much of what compression loses. Lower is better for the RMSE. The frames end at 55% "
      "of the best figure, or 1.2 times the least RMSE, and a tenth beyond the best: what is worse "
      "is in the tables alone. `best epoch` is the earliest and the latest over the seeds, of "
      "those "
      "allowed, and in brackets how many runs were cut short there.");
  std::vector<Block::Figure> drawn;
  for (const GridTask& task : evidence.tasks()) {
    if (!task.every_size || evidence.figure2(task).empty()) continue;
    for (const Measure& measure : measures(task)) {
      if (measure.pointer == "/test/full/ndcg@10") continue;
      const bool sampled = measure.pointer == "/test/sampled/hr@10";
      const std::string name = fmt::format("figure2-{}{}", task.name, sampled ? "-sampled" : "");
      drawn.push_back(figure({quality_plot(evidence, task, measure, name)}, name,
                             fmt::format("{}: {} against size", task.title, measure.name),
                             figures));
    }
  }
  if (drawn.empty()) {
    document.paragraph("No run of it is stored yet.");
    return;
  }
  document.figures(std::move(drawn));
  for (const GridTask& task : evidence.tasks()) {
    std::vector<TableRow> rows;
    for (const PointRuns* point : evidence.figure2(task))
      rows.push_back(quality_row(evidence, *point));
    if (rows.empty()) continue;
    document.heading(task.title, 3);
    document.table("", quality_header(task), rows, 1);
  }
}

void add_features(Document& document, const Evidence& features,
                  const std::filesystem::path& figures) {
  document.heading("Rows with many features");
  document.paragraph(
      "Click models over categorical fields, by `features`: a row is a label and an id of each "
      "field. AUC and log loss on the test rows, of the epoch that validation chose by AUC, under "
      "an L2 penalty of 0.002, or for DLRM that of 0.002 and 0.005 (of 0 and 0.0002 too, where ids "
      "share rows or a basis, and of dpq_sx) which validation chose by log loss; no other was "
      "tried for DCN-V2. "
      "Rates fall to a tenth after an epoch without a better one (DCN-V2: after two in a "
      "row). Fields of 100 values or fewer are full and counted, but in mgqe_budget, mgqe_all and "
      "lsq_all, where they are quantized like the others; those share one table, in which memcom "
      "and quotient_remainder may let the most popular ids of two fields meet. Centroids of "
      "quantized schemes are f16 but where f32 is said; hashed has a table a field (in one table "
      "for "
      "all it is multiplexed); layers are narrow (64 and 32), so that "
      "tables decide. Frappe's training "
      "negatives are drawn anew, as its authors draw them; validation and test are the published "
      "files. Flights (CC0) predicts from what is known at departure that an arrival is more than "
      "15 minutes late. The figure has schemes of several sizes, and ends .05 below the best AUC; "
      "all else is in the tables.");
  std::vector<Plot> panels;
  for (const GridTask& task : features.tasks())
    if (task.every_size && !features.figure2(task).empty()) {
      panels.push_back(quality_plot(features, task, measures(task).front(),
                                    fmt::format("features-{}", task.name)));
      // Variants of one size are in the table alone.
      std::erase_if(panels.back().series,
                    [](const PlotSeries& series) { return series.points.size() < 2; });
    }
  if (!panels.empty())
    document.figures({figure(panels, "figure_features",
                             "Quality against size on rows with many features", figures)});
  for (const Claim& claim : feature_claims(features)) add_claim(document, features, claim);
  for (const GridTask& task : features.tasks()) {
    std::vector<TableRow> rows;
    for (const PointRuns* point : features.figure2(task))
      rows.push_back(quality_row(features, *point));
    if (rows.empty()) continue;
    document.heading(task.title, 3);
    document.table("", quality_header(task), rows, 1);
  }
  add_softmax_use(document, features);
}

void add_cut_short(Document& document, const Evidence& evidence) {
  document.heading("Runs that ended at the last epoch allowed");
  document.paragraph(fmt::format(
      "A run is cut short where its best epoch on validation is within patience of its last: its "
      "own patience, or {} evaluations where it sets none (SASRec is evaluated every 5 epochs). "
      "Whatever its scheme, it is then made anew with twice the epochs, four times at most (SASRec "
      "twice); what stands below has not been made longer yet, or was improving still at the end. "
      "A point most of whose runs are to be longer is taken as cut short by the claims; one that "
      "has been given the longest training is judged by it.",
      kPatience));
  std::vector<TableRow> rows;
  for (const PointRuns& point : evidence.figure2())
    if (point.cut_short() > 0)
      rows.push_back({point.point.task.title, point.label(), best_epochs(point),
                      point.is_cut_short()                         ? "cut short"
                      : 2 * point.cut_short() <= point.runs.size() ? "not most of its runs"
                                                                   : "as long as allowed"});
  if (rows.empty())
    document.paragraph("No stored run of figure 2 is.");
  else
    document.table("", {"task", "embedding", "best epoch", "point"}, rows, 2,
                   fmt::format("{} points with such runs", rows.size()));
}

void add_figure3(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures) {
  document.heading("Figure 3: training loss by epoch");
  std::vector<Block::Figure> drawn;
  std::vector<TableRow> rows;
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
    if (task.is_relevance() || !task.every_size || (mgqe == nullptr && full == nullptr)) continue;
    const std::string name = fmt::format("figure3-{}", task.name);
    Plot plot{name, task.title, "epoch", "mean training loss", false, false, {}, 0, 0};
    for (const auto& [scheme, point] : {std::pair("full", full), std::pair("mgqe", mgqe)})
      if (point != nullptr) plot.series.push_back({scheme, loss_curve(*point)});
    drawn.push_back(
        figure({plot}, name, fmt::format("{}: training loss by epoch", task.title), figures));
    if (mgqe == nullptr || full == nullptr) continue;
    const size_t last = std::min(loss_curve(*mgqe).size(), loss_curve(*full).size());
    TableRow row = {task.title};
    for (const size_t epoch : {size_t{1}, size_t{2}, size_t{5}, size_t{10}, last})
      row.push_back(epoch <= last ? loss_ratio(*mgqe, *full, epoch) : "");
    row.push_back(shown(estimate(largest_rise(*mgqe)), 3));
    row.push_back(std::to_string(last));
    row.push_back(
        std::to_string(paired_ratio(mgqe->values("/seconds/train"), full->values("/seconds/train"))
                           .value_or(Estimate{})
                           .seeds));
    rows.push_back(std::move(row));
  }
  if (drawn.empty()) {
    document.paragraph("No run of it is stored yet.");
    return;
  }
  document.figures(std::move(drawn));
  document.table(
      "The loss of mgqe over that of the full table, by epoch, paired by seed; and the largest "
      "ratio "
      "of an epoch's loss of mgqe to the least before it, below 1 where it never rose.",
      {"task", "1", "2", "5", "10", "last", "largest rise", "epochs", "seeds"}, rows, 1);
}

}  // namespace mgqe

#include <algorithm>

#include <fmt/format.h>

#include "experiments/report/plot.hpp"
#include "experiments/report/sections.hpp"

namespace mgqe {
namespace {

constexpr double kFrameShare = 0.55;         // of the best
constexpr double kFrameError = 1.20;         // times the least RMSE
constexpr double kFrameBeyond = 0.10;        // of the best, on its other side
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

TableRow quality_header(const GridTask& task) {
  TableRow header = {"embedding", "size"};
  for (const Measure& measure : measures(task)) header.push_back(measure.name);
  header.insert(header.begin() + 3, "/ full's");
  header.push_back(task.is_relevance() ? "validation RMSE" : "validation NDCG@10");
  if (task.is_relevance()) header.push_back("L2");
  header.insert(header.end(), {"seeds", "KiB by formula / packed / file"});
  return header;
}

TableRow quality_row(const Evidence& evidence, const PointRuns& point) {
  const GridTask& task = point.point.task;
  TableRow row = {point.label(), fmt::format("{:.2f}%", point.percent_of_full())};
  for (const Measure& measure : measures(task))
    row.push_back(shown(estimate(point.values(measure.pointer)), measure.digits));
  const PointRuns* full = evidence.usual(task, "full");
  const std::string& pointer = measures(task).front().pointer;
  row.insert(
      row.begin() + 3,
      full == nullptr ? "" : shown(paired_ratio(point.values(pointer), full->values(pointer)), 3));
  row.push_back(task.is_relevance() ? shown(estimate(point.values("/valid/rmse")), 3)
                                    : shown(estimate(point.values("/valid/full/ndcg@10")), 4));
  if (task.is_relevance()) row.push_back(fmt::format("{:g}", point.config.train.l2));
  row.push_back(std::to_string(point.runs.size()));
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

}  // namespace

void add_figure2(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures) {
  document.heading("Figure 2: quality against size");
  document.paragraph(
      "Marks are means over seeds, bars their 95% intervals where there are several. Size is that "
      "of the embedding tables by the paper's formula against the full table of the backbone's own "
      "dimension, whatever dimension a table has itself. Judge by full ranking: sampled ranking "
      "hides much of what compression loses. Lower is better for the RMSE. The frames end at 55% "
      "of the best figure, or 1.2 times the least RMSE, and a tenth beyond the best: what is worse "
      "is in the tables alone.");
  std::vector<Plot> panels;
  std::vector<Block::Figure> drawn;
  for (const GridTask& task : evidence.tasks()) {
    if (!task.every_size || evidence.figure2(task).empty()) continue;
    for (const Measure& measure : measures(task)) {
      if (measure.pointer == "/test/full/ndcg@10") continue;
      const bool sampled = measure.pointer == "/test/sampled/hr@10";
      const std::string name = fmt::format("figure2-{}{}", task.name, sampled ? "-sampled" : "");
      const Plot plot = quality_plot(evidence, task, measure, name);
      drawn.push_back(figure(
          {plot}, name, fmt::format("{}: {} against size", task.title, measure.name), figures));
      if (!sampled) panels.push_back(plot);
    }
  }
  if (panels.empty()) {
    document.paragraph("No run of it is stored yet.");
    return;
  }
  // All panels in one picture, for pages that show one.
  draw(panels, "figure2", "Quality against size", figures);
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
  document.table("The loss of mgqe over that of the full table, by epoch; paired by seed.",
                 {"task", "1", "2", "5", "10", "last", "epochs", "seeds"}, rows, 1);
}

}  // namespace mgqe

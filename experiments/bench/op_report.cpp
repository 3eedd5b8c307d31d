#include "experiments/bench/op_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/io/console/table.hpp"

namespace mgqe::bench {
namespace {

using nlohmann::ordered_json;

std::string short_time(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} µs", 1e6 * seconds);
  if (seconds < 1) return fmt::format("{:.2f} ms", 1e3 * seconds);
  return fmt::format("{:.2f} s", seconds);
}

ordered_json alternatives_json(const OpResult& result) {
  ordered_json list = ordered_json::array();
  for (const OpResult::Other& other : result.alternatives)
    list.push_back({{"name", other.name},
                    {"measured", other.timing.median},
                    {"measured_min", other.timing.min},
                    {"measured_max", other.timing.max},
                    {"samples", other.timing.samples},
                    {"ratio", other.timing.median / result.timing.median}});
  return list;
}

TableRow row_of(const ordered_json& record) {
  const double measured = record.at("measured"), share = record.at("share");
  std::string others;
  for (const ordered_json& other : record.at("baselines"))
    others += fmt::format("{}{:.1f}× {}", others.empty() ? "" : ", ",
                          other.at("ratio").get<double>(), other.at("name").get<std::string>());
  return {record.at("op").get<std::string>(),
          shape_text(record.at("shape")),
          short_time(measured),
          fmt::format("{:.1f}", 1e-9 * record.at("bytes").get<double>() / measured),
          fmt::format("{:.1f}", 1e-9 * record.at("flops").get<double>() / measured),
          record.at("bound").get<std::string>(),
          fmt::format("{:.0f}%", 100 * share),
          others};
}

}  // namespace

ordered_json op_record(const OpResult& result, const Ceilings& ceilings, const ordered_json& run) {
  const double measured = result.timing.median, limit = ceilings.limit_seconds(result.cost);
  ordered_json record = {{"op", result.op},
                         {"shape", result.shape},
                         {"unit", "seconds/call"},
                         {"measured", measured},
                         {"measured_min", result.timing.min},
                         {"measured_max", result.timing.max},
                         {"samples", result.timing.samples},
                         {"bytes", result.cost.bytes},
                         {"flops", result.cost.flops},
                         {"searched_width", result.cost.searched_width},
                         {"bound", ceilings.bound(result.cost)},
                         {"limit", limit},
                         {"share", limit / measured},
                         {"share_of_fma", result.cost.flops / ceilings.fma_flops / measured},
                         {"baseline_name", nullptr},
                         {"baseline", nullptr},
                         {"ratio", nullptr},
                         {"baselines", alternatives_json(result)},
                         {"ceilings", ceilings.json()}};
  const auto fastest = std::min_element(
      result.alternatives.begin(), result.alternatives.end(),
      [](const auto& a, const auto& b) { return a.timing.median < b.timing.median; });
  if (fastest != result.alternatives.end()) {
    record["baseline_name"] = fastest->name;
    record["baseline"] = fastest->timing.median;
    record["ratio"] = fastest->timing.median / measured;
  }
  record.update(run);
  return record;
}

std::string op_table(const std::vector<ordered_json>& records, bool markdown) {
  const TableRow header = {"op",      "shape", "time",     "GB/s",
                           "GFLOP/s", "bound", "of limit", "against"};
  const std::vector<Align> alignments = {Align::kLeft,  Align::kLeft, Align::kRight, Align::kRight,
                                         Align::kRight, Align::kLeft, Align::kRight, Align::kLeft};
  std::vector<TableRow> rows;
  for (const ordered_json& record : records) rows.push_back(row_of(record));
  return markdown ? format_markdown_table(header, rows, alignments)
                  : format_table(header, rows, alignments);
}

std::string ceilings_line(const Ceilings& ceilings) {
  std::string line =
      fmt::format("FMA {:.1f} GFLOP/s ({:.1f} on one worker), copy {:.1f} GB/s, fill {:.1f} GB/s",
                  1e-9 * ceilings.fma_flops, 1e-9 * ceilings.fma_flops_one_worker,
                  1e-9 * ceilings.copy_bytes, 1e-9 * ceilings.fill_bytes);
  const char* before = "\nsearch by slots, GFLOP/s of fma:";
  for (const auto& [width, flops] : ceilings.search_flops) {
    line += fmt::format("{} {:.1f} at w = {}", before, 1e-9 * flops, width);
    before = ",";
  }
  return line;
}

}  // namespace mgqe::bench

#include <fmt/format.h>

#include "experiments/bench/op_case.hpp"
#include "experiments/bench/serve_cases.hpp"
#include "host/io/console/table.hpp"

namespace mgqe::bench {
namespace {

std::string short_time(double seconds) {
  if (seconds < 1e-6) return fmt::format("{:.1f} ns", 1e9 * seconds);
  if (seconds < 1e-3) return fmt::format("{:.2f} µs", 1e6 * seconds);
  return fmt::format("{:.2f} ms", 1e3 * seconds);
}

std::string statistics_of(const nlohmann::ordered_json& record) {
  if (!record.contains("statistics_per_user")) return "";
  const nlohmann::ordered_json& done = record["statistics_per_user"];
  return fmt::format("{:.0f} left of {:.3g}, {:.0f} scored", done["bounded"].get<double>(),
                     done["scanned"].get<double>(), done["rescored"].get<double>());
}

}  // namespace

std::string serving_table(const std::vector<nlohmann::ordered_json>& records, bool markdown) {
  const TableRow header = {"op",       "shape",   "by",
                           "a unit",   "units/s", "fastest of its kind",
                           "call p50", "p99",     "what the scan did"};
  const std::vector<Align> alignments = {Align::kLeft,  Align::kLeft,  Align::kLeft,
                                         Align::kRight, Align::kRight, Align::kRight,
                                         Align::kRight, Align::kRight, Align::kLeft};
  std::vector<TableRow> rows;
  for (const nlohmann::ordered_json& record : records) {
    double share = 1.0;  // of the fastest that does the same
    if (record.contains("times_by_this"))
      for (const auto& [name, ratio] : record["times_by_this"].items())
        share = std::min(share, ratio.get<double>());
    rows.push_back(
        {record["op"].get<std::string>(), shape_text(record["shape"]),
         record["variant"].get<std::string>(), short_time(record["measured"].get<double>()),
         fmt::format("{:.3g}", record["per_second"].get<double>()), fmt::format("{:.2f}", share),
         fmt::format("{:.3g} ms", record["call_p50_ms"].get<double>()),
         fmt::format("{:.3g} ms", record["call_p99_ms"].get<double>()), statistics_of(record)});
  }
  return markdown ? format_markdown_table(header, rows, alignments)
                  : format_table(header, rows, alignments);
}

}  // namespace mgqe::bench

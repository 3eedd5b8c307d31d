// How fast data gets in: texts into what training reads, by megabytes a second of one core, and a
// prepared cache into batches, against the bandwidth of copying.
#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "experiments/bench/ceilings.hpp"
#include "experiments/bench/data_cases.hpp"
#include "experiments/bench/progress.hpp"
#include "experiments/bench/rounds.hpp"
#include "experiments/cli/cli.hpp"
#include "host/base/parallel.hpp"
#include "host/base/version.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/table.hpp"

namespace mgqe::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kExamples = R"(examples:
  bench_data                          64 MiB of each format, in the system's folder for such files
  bench_data --megabytes 512 --folder /scratch
  bench_data --json data.json
  bench_data --markdown

Texts are drawn: ids of a power law. A time is processor time of this process (its own and what the
system does for it), the median of --samples calls; files are in the system's cache. "of limit" is
the share of the bandwidth of copying, measured in this run, that reading the cache and writing
batches comes to.)";

struct Options {
  int64_t megabytes = 64;
  int samples = 5;
  uint64_t seed = 1;
  std::string folder, json;
  bool markdown = false, quick = false;
};

Options parse(int argc, char** argv) {
  CLI::App app("How fast data gets in", "bench_data");
  app.footer(kExamples);
  Options options;
  app.add_option("--megabytes", options.megabytes, "of each text, about")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  app.add_option("--samples", options.samples, "of each case")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--seed", options.seed, "of the texts")->capture_default_str();
  app.add_option("--folder", options.folder, "texts and caches are written under it, and removed")
      ->type_name("FOLDER");
  app.add_option("--json", options.json, "write the records to this file; - for stdout")
      ->type_name("FILE");
  app.add_flag("--markdown", options.markdown, "print the table as Markdown");
  app.add_flag("--quick", options.quick, "one sample of short texts: to see that it runs");
  parse_command_line(app, argc, argv);
  if (options.quick) options.samples = 1;
  return options;
}

/// A folder of its own, gone at the end.
class WorkFolder {
 public:
  explicit WorkFolder(const std::string& parent) {
    const fs::path under = parent.empty() ? fs::temp_directory_path() : fs::path(parent);
    if (!fs::is_directory(under)) input_error("--folder ", under.string(), ": no such folder");
    std::string name = (under / "bench_data-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      input_error("--folder ", under.string(), ": no folder can be made there");
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

ordered_json measure(const DataCase& one, int samples, const Ceilings& ceilings) {
  std::vector<CallTime> times;
  for (int sample = 0; sample < samples; ++sample) {
    if (one.before) one.before();
    times.push_back(time_of(one.run));
  }
  std::sort(times.begin(), times.end(),
            [](const CallTime& a, const CallTime& b) { return a.cpu < b.cpu; });
  const double seconds = quantile(times, 0.5, &CallTime::cpu);
  ordered_json record = {{"what", one.what},
                         {"how", one.how},
                         {"rows", one.rows},
                         {"bytes", one.source_bytes},
                         {"unit", "processor seconds"},
                         {"measured", seconds},
                         {"measured_min", times.front().cpu},
                         {"measured_max", times.back().cpu},
                         {"samples", samples},
                         {"bytes_per_second", one.source_bytes / seconds},
                         {"moved_bytes", nullptr},
                         {"limit", nullptr},
                         {"share", nullptr},
                         {"ceilings", ceilings.json()}};
  if (one.moved_bytes > 0.0) {
    record["moved_bytes"] = one.moved_bytes;
    record["limit"] = one.moved_bytes / ceilings.copy_bytes;
    record["share"] = one.moved_bytes / ceilings.copy_bytes / seconds;
  }
  return record;
}

std::string table_of(const std::vector<ordered_json>& records, bool markdown) {
  const TableRow header = {"what", "how", "MB", "rows", "MB/s", "million rows/s", "of limit"};
  const std::vector<Align> alignments = {Align::kLeft,  Align::kLeft,  Align::kRight, Align::kRight,
                                         Align::kRight, Align::kRight, Align::kRight};
  std::vector<TableRow> rows;
  for (const ordered_json& record : records) {
    const double seconds = record.at("measured");
    rows.push_back({record.at("what"), record.at("how"),
                    fmt::format("{:.1f}", 1e-6 * record.at("bytes").get<double>()),
                    grouped(record.at("rows").get<int64_t>()),
                    fmt::format("{:.0f}", 1e-6 * record.at("bytes_per_second").get<double>()),
                    fmt::format("{:.2f}", 1e-6 * record.at("rows").get<double>() / seconds),
                    record.at("share").is_null()
                        ? ""
                        : fmt::format("{:.0f}%", 100.0 * record.at("share").get<double>())});
  }
  return markdown ? format_markdown_table(header, rows, alignments)
                  : format_table(header, rows, alignments);
}

void run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  set_thread_count(1);
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  const WorkFolder folder(options.folder);
  show_progress("texts are drawn");
  const std::vector<DataCase> cases = data_cases(
      folder.path(), {options.quick ? int64_t{1} << 18 : options.megabytes << 20, options.seed});
  CeilingProbe probe(*backend, options.quick);
  probe.measure(options.samples);
  std::vector<ordered_json> records;
  for (const DataCase& one : cases) {
    show_progress(fmt::format("{}/{} {}, {}", records.size() + 1, cases.size(), one.what, one.how));
    probe.measure(1);
    records.push_back(measure(one, options.samples, probe.ceilings()));
  }
  show_progress("");
  const ordered_json about = {{"device", backend->name()},
                              {"device_description", backend->description()},
                              {"threads", 1},
                              {"seed", options.seed},
                              {"commit", build_commit()},
                              {"command", command_line(argc, argv)}};
  for (ordered_json& record : records) record.update(about);
  const std::string json = ordered_json(records).dump(1) + "\n";
  if (options.json == "-") {
    std::cout << json << std::flush;
    return;
  }
  if (!options.json.empty()) write_file_atomically(options.json, json);
  fmt::print("{}\n{}\n\n{}", backend->description(),
             fmt::format("copy {:.1f} GB/s", 1e-9 * probe.ceilings().copy_bytes),
             table_of(records, options.markdown));
}

}  // namespace
}  // namespace mgqe::bench

int main(int argc, char** argv) {
  return mgqe::run_main("bench_data", [&] { mgqe::bench::run(argc, argv); });
}

// Every hot op on one device: its time, against the limit that the device's own ceilings set, and
// against what one has instead. baselines/compare_ops.py adds PyTorch and faiss.
#include <algorithm>
#include <iostream>
#include <regex>

#include "experiments/bench/ceilings.hpp"
#include "experiments/bench/op_case.hpp"
#include "experiments/bench/op_report.hpp"
#include "experiments/bench/progress.hpp"
#include "experiments/bench/sampler.hpp"
#include "experiments/cli/cli.hpp"
#include "host/base/parallel.hpp"
#include "host/base/version.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe::bench {
namespace {

constexpr const char* kExamples = R"(examples:
  bench_ops                                          every op on the default device
  bench_ops --list                                   their names and shapes
  OMP_NUM_THREADS=1 bench_ops --only '^assign rows'  on one thread
  bench_ops --device cuda --json ops.json
  bench_ops --only 'gather|decode' --markdown
  bench_ops --device cuda --quick                    whether each op runs there

A limit is the larger of bytes / copy bandwidth and flops / FMA peak, both measured in this run; of a
search on a CPU the peak is that of a loop of its instructions alone ("slots": a port that compares
does no fma meanwhile). A memory-bound op finds nothing of its data in the caches; a time is
the median of its samples.)";

struct Options {
  std::string device = "auto";
  std::string only;
  int samples = 30;
  uint64_t seed = 1;
  int64_t batch = 0, table_rows = 0, sequences = 0, users = 0;  // 0: the device's default
  std::string json;
  bool list = false, markdown = false, quick = false;
};

Sizes sizes_of(const Options& options, const std::string& device) {
  Sizes sizes;
  if (device != "cpu") sizes.batch = 1 << 20;  // 64 K rows would not fill a GPU
  if (options.quick) sizes = {.batch = 256, .table_rows = 1024, .sequences = 2, .users = 3};
  if (options.batch > 0) sizes.batch = options.batch;
  if (options.table_rows > 0) sizes.table_rows = options.table_rows;
  if (options.sequences > 0) sizes.sequences = options.sequences;
  if (options.users > 0) sizes.users = options.users;
  return sizes;
}

std::regex regex_of(const std::string& pattern) {
  try {
    return std::regex(pattern, std::regex::extended);
  } catch (const std::regex_error& error) {
    input_error("--only '", pattern, "' is no extended regular expression: ", error.what());
  }
}

std::vector<OpCase> chosen_cases(const Options& options, const std::string& device) {
  const std::regex only = regex_of(options.only);
  std::vector<OpCase> cases = op_cases(sizes_of(options, device));
  std::erase_if(cases,
                [&](const OpCase& entry) { return !std::regex_search(entry.label(), only); });
  if (cases.empty())
    input_error("--only '", options.only, "' matches no op; bench_ops --list shows them");
  return cases;
}

OpResult measure(const OpCase& entry, Backend& backend, const Options& options, CeilingProbe& probe,
                 Sampler& sampler) {
  std::vector<Workload> copies;
  copies.push_back(entry.prepare(backend, options.seed));
  const Workload work = copies[0];
  probe.measure_search(work.cost.searched_width, std::min(options.samples, 8));
  const bool cold = probe.ceilings().memory_bound(work.cost) && !options.quick;
  const int64_t count = cold ? copies_in_rotation(backend.cache_bytes(), work.cost.bytes) : 1;
  while (static_cast<int64_t>(copies.size()) < count)
    copies.push_back(entry.prepare(backend, options.seed + copies.size()));
  const auto way = [&](const auto& run_of) {
    std::vector<std::function<void()>> runs;
    for (const Workload& copy : copies) runs.push_back(run_of(copy));
    return in_rotation(std::move(runs));
  };
  std::vector<std::function<void()>> ways = {way([](const Workload& copy) { return copy.run; })};
  for (size_t i = 0; i < work.alternatives.size(); ++i)
    ways.push_back(way([&](const Workload& copy) { return copy.alternatives[i].run; }));
  const std::vector<Timing> timings = sampler.time(ways, cold && count == 1);
  OpResult result{entry.op, entry.shape, work.cost, timings[0], {}};
  for (size_t i = 1; i < ways.size(); ++i)
    result.alternatives.push_back({work.alternatives[i - 1].name, timings[i]});
  return result;
}

std::vector<nlohmann::ordered_json> measure_all(const std::vector<OpCase>& cases, Backend& backend,
                                                const Options& options, const std::string& command,
                                                Ceilings& ceilings) {
  CeilingProbe probe(backend, options.quick);
  Sampler sampler(backend, options.samples);
  probe.measure(std::min(options.samples, 8));
  std::vector<OpResult> results;
  for (const OpCase& entry : cases) {
    show_progress(
        fmt::format("{}/{} {}", results.size() + 1, cases.size(), entry.label().substr(0, 70)));
    results.push_back(measure(entry, backend, options, probe, sampler));
    probe.measure(1);
  }
  show_progress("");
  ceilings = probe.ceilings();
  const nlohmann::ordered_json run = {
      {"device", backend.name()},  {"device_description", backend.description()},
      {"threads", thread_count()}, {"seed", options.seed},
      {"commit", build_commit()},  {"command", command}};
  std::vector<nlohmann::ordered_json> records;
  for (const OpResult& result : results) records.push_back(op_record(result, ceilings, run));
  return records;
}

Options parse(int argc, char** argv) {
  CLI::App app("Every hot op against the limits of its device", "bench_ops");
  app.footer(kExamples);
  Options options;
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--only", options.only, "ops whose name and shape match this regular expression")
      ->type_name("REGEX");
  app.add_option("--samples", options.samples,
                 "samples of each op; fewer, but three, where they take over three seconds")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "of tables and ids")->capture_default_str();
  app.add_option("--batch", options.batch, "look-ups a batch: 65536 on the CPU, else 1048576")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 26));
  app.add_option("--table-rows", options.table_rows, "rows of the large tables: 1048576")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 26));
  app.add_option("--sequences", options.sequences, "sequences of up to 200 tokens: 128")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16));
  app.add_option("--users", options.users, "users whose catalogue is ranked: 1000")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--json", options.json, "write the records to this file; - for stdout")
      ->type_name("FILE");
  app.add_flag("--markdown", options.markdown, "print the table as Markdown");
  app.add_flag("--quick", options.quick,
               "one sample, no limits and small shapes: to see that it runs, not how fast");
  app.add_flag("--list", options.list,
               "print the names and shapes of the ops, and measure nothing");
  parse_command_line(app, argc, argv);
  if (options.quick) options.samples = 1;
  return options;
}

void run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::unique_ptr<Backend> backend = make_backend(options.device);
  const std::vector<OpCase> cases = chosen_cases(options, backend->name());
  if (options.list) {
    for (const OpCase& entry : cases) fmt::print("{}\n", entry.label());
    return;
  }
  Ceilings ceilings;
  const std::vector<nlohmann::ordered_json> records =
      measure_all(cases, *backend, options, command_line(argc, argv), ceilings);
  const std::string json = nlohmann::ordered_json(records).dump(2) + "\n";
  if (options.json == "-") {
    std::cout << json << std::flush;
    return;
  }
  if (!options.json.empty()) write_file_atomically(options.json, json);
  fmt::print("{}\n{}\n\n{}", backend->description(), ceilings_line(ceilings),
             op_table(records, options.markdown));
}

}  // namespace
}  // namespace mgqe::bench

int main(int argc, char** argv) {
  return mgqe::run_main("bench_ops", [&] { mgqe::bench::run(argc, argv); });
}

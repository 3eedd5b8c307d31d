// Serving on one machine: look-ups and top-k straight from codes, against the time it takes to read
// the codes at all, and against what one has instead. baselines/compare_serving.py adds faiss and
// PyTorch.
#include <iostream>

#include "experiments/bench/progress.hpp"
#include "experiments/bench/serve_cases.hpp"
#include "experiments/cli/cli.hpp"
#include "host/base/parallel.hpp"
#include "host/base/version.hpp"
#include "host/engine/backend.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe::bench {
namespace {

constexpr const char* kExamples = R"(examples:
  bench_serve                                          10^4, 10^6 and 10^7 rows, one thread
  bench_serve --rows 1e8 --memory 0 --users 1,64       no decoded table beside it
  bench_serve --rows 1e7 --subspaces 32 --json d32.json
  bench_serve --artifact runs/mgqe/model.safetensors --markdown
  bench_serve --rows 1e7 --device cuda                 and top-k on a GPU
  bench_serve --rows 1e7 --open /tmp                   and a file of so many rows: bytes, time to open
  bench_serve --rows 1e6 --dump tables/1e6             the artifact, its codes and queries as .npy; untimed

Tables are drawn: the first tenth of the rows with 256 centroids, the others with 64. Ways of doing
the same take turns, round by round, and one whose lists differ from the others' by a bit is an error
before anything is timed. A time is the median of the rounds' medians; --clock cpu is processor time
of this process, which neighbours do not add to, and what ratios on a shared machine are to be of.)";

struct Options {
  std::vector<double> rows = {1e4, 1e6, 1e7};
  int64_t dim = 64;
  int subspaces = 8;
  std::string artifact, table, clock = "auto";
  double memory = 4e9;
  ServeOptions serve;
  bool quick = false, markdown = false;
  std::string json, open, dump, beside;
};

Options parse(int argc, char** argv) {
  CLI::App app("Look-ups and top-k straight from codes", "bench_serve");
  app.footer(kExamples);
  Options options;
  ServeOptions& serve = options.serve;
  auto* rows = app.add_option("--rows", options.rows, "rows of tables to draw, up to 1e8")
                   ->delimiter(',')
                   ->check(CLI::Range(1.0, 1e8))
                   ->default_str("1e4,1e6,1e7");
  app.add_option("--dim", options.dim, "d")->capture_default_str()->check(CLI::Range(4, 1024));
  app.add_option("--subspaces", options.subspaces, "D, which divides d")
      ->capture_default_str()
      ->check(CLI::Range(4, 256));
  app.add_option("--artifact", options.artifact, "a trained or converted table instead")
      ->type_name("FILE")
      ->excludes(rows);
  app.add_option("--table", options.table, "its name: item, or the only one");
  app.add_option("--users", serve.users, "asked about in one call")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->default_str("1,64,1024");
  app.add_option("--k", serve.k, "length of the lists")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, kMaxTopK));
  app.add_option("--threads", serve.threads, "of one call")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--rounds", serve.rounds, "in which all ways take turns")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--queries", serve.queries, "calls about one user in a round, timed one by one")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--memory", options.memory, "bytes that the decoded table may take, else none is")
      ->default_str("4e9")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", serve.seed, "of tables, ids and queries")->capture_default_str();
  app.add_option("--clock", options.clock, "cpu, wall, or auto: cpu with one thread and no GPU")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "wall"}));
  app.add_option("--device", serve.device,
                 "top-k on this device, too: cuda, cuda:N or auto; times are the wall's then")
      ->capture_default_str();
  app.add_option("--open", options.open, "write the drawn table to this folder and open it")
      ->type_name("FOLDER");
  app.add_option("--dump", options.dump, "write the drawn table and queries as .npy, and end")
      ->type_name("FOLDER");
  app.add_option("--json", options.json, "write the records to this file; - for stdout")
      ->type_name("FILE");
  app.add_option("--beside", options.beside, "what else the machine did, for the record");
  app.add_flag("--markdown", options.markdown, "print the table as Markdown");
  app.add_flag("--quick", options.quick, "a few seconds: 10^4 rows unless --rows says, two rounds");
  parse_command_line(app, argc, argv);
  if (options.dim % options.subspaces != 0 || options.subspaces % 4 != 0)
    input_error("--subspaces ", options.subspaces, " is no multiple of 4 that divides --dim ",
                options.dim);
  if (options.quick) {
    if (rows->count() == 0) options.rows = {1e4};
    serve.rounds = 2;
    serve.queries = 3;
    serve.seconds = 0.05;
  }
  serve.memory = static_cast<int64_t>(options.memory);
  const bool on_cpu = serve.threads == 1 && !runs_on_gpu(serve.device);
  serve.cpu_clock = options.clock == "cpu" || (options.clock == "auto" && on_cpu);
  if (!options.artifact.empty() && (!options.open.empty() || !options.dump.empty()))
    input_error("--open and --dump are of drawn tables, not of --artifact");
  return options;
}

std::vector<ServedTable> tables_of(const Options& options, size_t i) {
  std::vector<ServedTable> tables;
  if (!options.artifact.empty())
    tables.push_back(ServedTable::open(options.artifact, options.table));
  else
    tables.push_back(
        ServedTable::draw({static_cast<int64_t>(options.rows[i]), options.dim, options.subspaces},
                          options.serve.seed));
  return tables;
}

std::vector<nlohmann::ordered_json> measure(const Options& options) {
  std::vector<nlohmann::ordered_json> records;
  const size_t count = options.artifact.empty() ? options.rows.size() : 1;
  for (size_t i = 0; i < count; ++i) {
    const std::vector<ServedTable> one = tables_of(options, i);
    const ServedTable& table = one.front();
    show_progress(fmt::format("{}/{}: {} rows", i + 1, count, table.rows()));
    if (!options.open.empty()) records.push_back(measure_open(table, options.open, options.serve));
    for (nlohmann::ordered_json& record : measure_serving(table, options.serve))
      records.push_back(std::move(record));
  }
  show_progress("");
  return records;
}

void dump(const Options& options) {
  if (options.rows.size() != 1) input_error("--dump writes one table: give one number of --rows");
  constexpr int64_t kQueries = 256;
  const std::vector<float> queries = random_queries(kQueries, options.dim, options.serve.seed + 2);
  tables_of(options, 0).front().dump(options.dump, {queries.data(), kQueries, options.dim});
}

void run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (!options.dump.empty()) return dump(options);
  set_thread_count(options.serve.threads);  // of the matrix product that is measured beside
  const std::string machine = make_backend("cpu")->description();
  const nlohmann::ordered_json run = {
      {"device_description", machine},
      {"device", options.serve.device},
      {"threads", options.serve.threads},
      {"clock", options.serve.cpu_clock ? "processor time of the process" : "wall"},
      {"rounds", options.serve.rounds},
      {"seed", options.serve.seed},
      {"source", options.artifact.empty() ? "drawn" : options.artifact},
      {"beside", options.beside},
      {"commit", build_commit()},
      {"command", command_line(argc, argv)}};
  std::vector<nlohmann::ordered_json> records = measure(options);
  for (nlohmann::ordered_json& record : records) record.update(run);
  const std::string json = nlohmann::ordered_json(records).dump(1) + "\n";
  if (options.json == "-") {
    std::cout << json << std::flush;
    return;
  }
  if (!options.json.empty()) write_file_atomically(options.json, json);
  fmt::print("{}, {} thread{}\n\n{}", machine, options.serve.threads,
             options.serve.threads == 1 ? "" : "s", serving_table(records, options.markdown));
}

}  // namespace
}  // namespace mgqe::bench

int main(int argc, char** argv) {
  return mgqe::run_main("bench_serve", [&] { mgqe::bench::run(argc, argv); });
}

#include "experiments/cli/train_seeds.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/config/config.hpp"
#include "host/engine/backend.hpp"
#include "host/io/console/run_table.hpp"
#include "host/jobs/seed_runs.hpp"
#include "models/backbones/canonical.hpp"

namespace mgqe {

namespace {

/// The words without an option of one value, written as `--name value` or `--name=value`.
std::vector<std::string> without_option(const std::vector<std::string>& words,
                                        const std::string& name) {
  std::vector<std::string> kept;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == name)
      ++i;
    else if (!words[i].starts_with(name + "="))
      kept.push_back(words[i]);
  }
  return kept;
}

/// The table of the seeds that ended well; Error where one did not.
void report(const std::vector<SeedRun>& runs, const std::vector<FailedSeed>& failed) {
  std::vector<std::string> finished;
  for (const SeedRun& run : runs)
    if (std::none_of(failed.begin(), failed.end(),
                     [&](const FailedSeed& other) { return other.seed == run.seed; }))
      finished.push_back(run.out.string());
  if (!finished.empty()) fmt::print("\n{}", report_table(read_results(finished), canonical, false));
  if (failed.empty()) return;
  std::string names;
  for (const FailedSeed& one : failed)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.seed);
  throw Error(fmt::format("{} of {} seeds failed: {}; seed {}: {}", failed.size(), runs.size(),
                          names, failed.front().seed, failed.front().error));
}

}  // namespace

SeedsOptions::SeedsOptions(CLI::App& train) {
  seeds_option_ =
      train
          .add_option("--seeds", seeds_,
                      "several seeds at once, each as --seed alone would run it, in the folder "
                      "seed-S of --out: FIRST..LAST (1..10) or a list (1,2,5)")
          ->group("run");
  jobs_option_ =
      train
          .add_option("--jobs", jobs_,
                      "seeds trained at a time, a process each, which share the CPU's cores "
                      "[the number of cores; 1 on a GPU, where several runs in streams of one "
                      "process wait for a first GPU run]")
          ->group("run");
}

bool SeedsOptions::given(const nlohmann::json& flags) const {
  const bool several = seeds_option_->count() > 0;
  if (!several && jobs_option_->count() > 0)
    input_error("--jobs is for --seeds, which is not given");
  if (!several) return false;
  if (flags.contains("run") && flags["run"].contains("seed"))
    input_error("--seed and --seeds are both given: choose one");
  return true;
}

void SeedsOptions::run(const Config& config, const std::vector<std::string>& words,
                       bool resume) const {
  const std::vector<uint64_t> seeds = parse_seeds(seeds_);
  if (std::filesystem::is_fifo(config.data.name))
    input_error(
        "--data ", config.data.name,
        " is a pipe, which can be read once, and each of several seeds reads it: name a file");
  if (config.run.out.empty()) input_error("--out is missing: name the folder for the results");
  if (jobs_option_->count() > 0 && jobs_ < 1) input_error("--jobs ", jobs_, " must be 1 or more");
  const auto [jobs, threads] =
      share_cores(jobs_, seeds.size(), runs_on_gpu(config.run.device), thread_count());

  std::vector<std::string> shared = words;
  for (const char* option : {"--seeds", "--jobs", "--out"}) shared = without_option(shared, option);
  std::vector<SeedRun> runs, left;
  for (const uint64_t seed : seeds) {
    const std::filesystem::path out =
        std::filesystem::path(config.run.out) / fmt::format("seed-{}", seed);
    runs.push_back({seed, shared, out, resume});
    for (const std::string& word :
         {std::string("--seed"), std::to_string(seed), std::string("--out"), out.string()})
      runs.back().arguments.push_back(word);
    Config own = config;
    own.run.seed = seed;
    if (!resume || !is_finished(out, own)) left.push_back(runs.back());
  }
  fmt::print("model   {} with embeddings {}, {} seeds\n", config.model.name,
             scheme_label(config.embedding), seeds.size());
  if (left.size() < runs.size())
    fmt::print("resume  {} of {} seeds are finished already\n", runs.size() - left.size(),
               runs.size());
  fmt::print("runs    {} at a time, {} thread{} each; logs in {}/seed-*/log.txt\n\n", jobs, threads,
             threads == 1 ? "" : "s", config.run.out);
  std::fflush(stdout);
  report(runs, run_seeds(left, jobs, threads));
}

}  // namespace mgqe

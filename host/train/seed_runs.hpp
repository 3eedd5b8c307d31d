// Several seeds of one configuration at once. Each is a process of its own, so that it is to the
// bit the run that --seed starts alone, and one that fails takes no other with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/core/config.hpp"
#include "host/train/child_run.hpp"

namespace mgqe {

/// "1..10" or "1,2,5", or a list of both; each seed once. InputError that names --seeds otherwise.
std::vector<uint64_t> parse_seeds(const std::string& text);

struct SeedRun {
  uint64_t seed;
  std::vector<std::string> arguments;  // of the process, argv[0] first
  std::filesystem::path out;           // its folder, where log.txt keeps what it prints
  bool resumes = false;                // then the log goes on too
};

struct FailedSeed {
  uint64_t seed;
  std::string error;
};

/// The time that all seeds together still need, below 0 where unknown. running: seconds left of
/// each run under way, below 0 where unknown; mean: seconds of a whole run, likewise.
double seconds_left(const std::vector<double>& running, size_t waiting, double mean, int jobs);

/// Whether `out` holds the result of such a run, from its beginning to its end.
bool is_finished(const std::filesystem::path& out, const Config& config);

/// Runs them, `jobs` at a time with `threads` threads each, and prints a line for each that ends on
/// stdout; on a terminal (stderr), meanwhile, a line for each that runs. Returns those that failed.
/// A signal of Interruption is passed on to all, and Interrupted is thrown once they have kept what
/// they need to go on.
std::vector<FailedSeed> run_seeds(const std::vector<SeedRun>& runs, int jobs, int threads);

}  // namespace mgqe

// Several seeds of one configuration at once. Each is a process of its own, so that it is to the
// bit the run that --seed starts alone, and one that fails takes no other with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/jobs/run_pool.hpp"

namespace mgqe {

/// "1..10" or "1,2,5", or a list of both; each seed once. InputError that names --seeds otherwise.
std::vector<uint64_t> parse_seeds(const std::string& text);

struct SeedRun {
  uint64_t seed;
  std::vector<std::string> arguments;  // of this program, argv[0] first
  std::filesystem::path out;           // its folder, where log.txt keeps what it prints
  bool resumes = false;                // then the log goes on too
};

struct FailedSeed {
  uint64_t seed;
  std::string error;
};

/// Whether `out` holds the result of such a run, from its beginning to its end.
bool is_finished(const std::filesystem::path& out, const Config& config);

/// Runs them in a pool (run_pool.hpp). Returns those that failed.
std::vector<FailedSeed> run_seeds(const std::vector<SeedRun>& runs, int jobs, int threads);

}  // namespace mgqe

// RunPool: runs in processes of their own, a few at a time, with a live line for each. One that
// fails takes no other with it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/jobs/child_run.hpp"

namespace mgqe {

struct PooledRun {
  size_t id;          // the source's own
  std::string label;  // what its lines begin with
  std::string program;
  std::vector<std::string> arguments;  // argv[0] first
  std::filesystem::path out;           // its folder, where log.txt keeps what it prints
  bool appends = false;                // to log.txt
};

/// How a run under way stands; `left` below 0 where it cannot tell yet.
struct RunningTime {
  size_t id;
  double seconds, left;
};

/// Where a pool's runs come from, and where they go.
class RunSource {
 public:
  virtual ~RunSource() = default;

  /// The next run, to begin now; none where nothing is left that may begin. Asked anew after each
  /// run that ends.
  virtual std::optional<PooledRun> next() = 0;
  /// Takes what a run left that ended well; returns what to say of it. An Error fails the run.
  virtual std::string take(const PooledRun& run, double seconds) = 0;
  virtual void fail(const PooledRun& run, const std::string& error) = 0;
  /// Called a few times a second, and with what runs.
  virtual void tick(const std::vector<RunningTime>& /*running*/) {}
  /// After a signal has stopped its runs. Returns what else to say.
  virtual std::string interrupt() { return ""; }

  struct Count {
    size_t all, done, failed, waiting;
  };
  virtual Count count() const = 0;
  /// Seconds until all is done, below 0 where unknown.
  virtual double seconds_left(const std::vector<RunningTime>& running) const = 0;
};

/// Who a pool speaks for: "mgqe" and "seeds".
struct PoolWords {
  std::string program, runs;
};

/// Runs all that the source gives, `jobs` at a time with `threads` threads each, and prints a line
/// for each that ends on stdout; on a terminal (stderr), meanwhile, a line for each that runs.
/// A signal of Interruption is passed on to all, and Interrupted is thrown once they have kept what
/// they need to go on.
void run_pool(RunSource& source, int jobs, int threads, const PoolWords& words);

/// The time that all runs together still need, below 0 where unknown. running: seconds left of each
/// run under way, below 0 where unknown; mean: seconds of a whole run, likewise.
double seconds_left(const std::vector<double>& running, size_t waiting, double mean, int jobs);

/// How many run at a time and with how many threads: `asked`, or where that is 0 as many as there
/// are cores, on a GPU one (several processes on one GPU wait for its first runs); never more than
/// there are runs.
struct Sharing {
  int jobs, threads;
};
Sharing share_cores(int asked, size_t runs, bool gpu, int cores);

}  // namespace mgqe

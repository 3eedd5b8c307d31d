// RunClaims: which process is at which run, told by files in a folder that several processes and
// machines share.
#pragma once

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

namespace mgqe {

class RunClaims {
 public:
  /// Made when missing.
  explicit RunClaims(std::filesystem::path folder);
  RunClaims(const RunClaims&) = delete;
  RunClaims& operator=(const RunClaims&) = delete;
  /// Releases what it holds.
  ~RunClaims();

  /// Whether this process has the run now: no one had it, or whoever had it is gone. A holder is
  /// gone when it ran on this machine and its process has ended, or when it has not beaten for
  /// kStaleSeconds.
  ///
  /// Two processes that take over at the same instant may both succeed. Then a run is made twice,
  /// to the same figures, and stored by whole files; nothing is lost but time.
  bool take(const std::string& run);
  void release(const std::string& run);
  /// Shows that this process lives; call it often, it acts every few seconds.
  void beat();

  static constexpr double kBeatSeconds = 15.0;
  static constexpr double kStaleSeconds = 180.0;

 private:
  std::filesystem::path path_of(const std::string& run) const { return folder_ / (run + ".claim"); }
  bool create(const std::string& run);
  bool is_stale(const std::filesystem::path& path) const;

  std::filesystem::path folder_;
  std::string self_;
  std::set<std::string> held_;
  std::chrono::steady_clock::time_point last_beat_;
};

/// Names this machine (as far as process ids go) and this process: what a claim file holds.
struct ProcessName {
  std::string machine;
  int pid = 0;
};
ProcessName this_process();
/// Whether a process of this machine has ended; false for one of another machine.
bool has_ended(const ProcessName& process);

}  // namespace mgqe

// ChildRun: one run in a process of its own, watched by the process that began it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/io/console/progress.hpp"

namespace mgqe {

/// The program that runs now, whatever has become of its file since.
inline constexpr const char* kThisProgram = "/proc/self/exe";

class ChildRun {
 public:
  /// Starts `program` with `arguments` (argv[0] first) and `threads` threads. What it prints
  /// goes to `log`, after what is there if it `appends`. It ends when this process does.
  ChildRun(const std::string& program, std::vector<std::string> arguments, int threads,
           const std::filesystem::path& log, bool appends);
  ChildRun(const ChildRun&) = delete;
  ChildRun& operator=(const ChildRun&) = delete;
  /// Kills it if it still runs.
  ~ChildRun();

  /// Descriptors that become readable when there is something to look at.
  std::vector<int> descriptors() const { return {errors_.fd, progress_.fd}; }
  /// Takes in what it has written, and whether it has ended. Does not wait.
  void look();
  /// Asks it to end.
  void stop();

  bool ended() const { return ended_; }
  bool succeeded() const { return ended_ && error_.empty(); }
  /// Why it failed: the last line of its stderr, or how it was killed.
  const std::string& error() const { return error_; }
  const std::optional<ProgressState>& progress() const { return state_; }
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// The reading end of a pipe, and the line that is not yet whole.
  struct Lines {
    int fd = -1;
    std::string partial;
    template <class Take>
    void read(const Take& take);
    void close();
  };
  void end(int status);

  int pid_ = -1;
  int log_ = -1;
  Lines errors_, progress_;
  std::string last_line_;  // of stderr
  std::optional<ProgressState> state_;
  Clock::time_point began_, finished_;
  bool ended_ = false;
  std::string error_;
};

}  // namespace mgqe

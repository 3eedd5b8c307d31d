// What a run does when it is told to end: it notes the signal, and stops where it can go on from.
#pragma once

#include <csignal>
#include <string>

#include "host/base/check.hpp"

namespace mgqe {

/// While it lives, the signals by which people and schedulers end a run are noted instead of
/// obeyed:
///   SIGINT   Ctrl-C; a second press ends the program at once, two signals of one press do not
///   SIGTERM  kill, and schedulers before they take a node away
///   SIGUSR1  Slurm's --signal=USR1@SECONDS
///   SIGHUP   the terminal is gone
///   SIGPIPE  whoever read the output is gone; only where it is asked for
/// One that was ignored when it began (nohup, a background job) stays ignored. One at a time.
class Interruption {
 public:
  /// notes_broken_pipe: for a program that prints as it goes and would lose what it has done.
  explicit Interruption(bool notes_broken_pipe = false);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  /// The signal that came, or 0.
  int signal() const;
  /// The same for whoever has no Interruption at hand: that of the latest one.
  static int noted_signal();

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE};
  struct sigaction before_[std::size(kSignals)];
};

/// Thrown where training stopped on a signal, with all it needs to go on written.
class Interrupted : public Error {
 public:
  /// "interrupted by SIGTERM: WHAT_HAPPENED"
  Interrupted(int signal, const std::string& what_happened);
  int signal() const { return signal_; }

 private:
  int signal_;
};

/// "SIGTERM"
const char* signal_name(int signal);

/// To be called last by a program that was interrupted. By SIGINT it ends as one that never caught
/// it, so that a shell script ends with it; it returns for the others, which are no failure.
void end_as_interrupted(int signal);

}  // namespace mgqe

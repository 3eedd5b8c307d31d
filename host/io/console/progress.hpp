// The console's progress bar, on stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace mgqe {

/// What one drawing of the bar shows. Seconds below 0 are not known yet.
struct ProgressState {
  int epoch = 1;  // 1-based
  int epochs = 1;
  int64_t step = 0;  // finished in this epoch
  int64_t steps = 1;
  double steps_per_second = 0;
  double epoch_seconds_left = -1;
  double run_seconds_left = -1;
  std::string task = {};  // what it is, where it is no training and has one epoch
};

/// One line of at most columns - 1 characters; the narrower, the less it says.
std::string progress_line(const ProgressState& state, int columns);

/// "0:07", "12:34", "1:02:03", "4d 05h"; "--:--" below 0.
std::string format_duration(double seconds);

/// A process that starts runs and shows their progress itself names, in this variable, the
/// descriptor on which they write progress records instead of drawing.
inline constexpr const char* kProgressFdVariable = "MGQE_PROGRESS_FD";
/// One line, ended.
std::string progress_record(const ProgressState& state);
/// Nothing where the line is not a whole record.
std::optional<ProgressState> read_progress_record(const std::string& line);

/// Epoch, bar, steps a second, time left for the epoch and the run; drawn at most ten times a
/// second and only where `fd` is a terminal. One at a time, driven from one thread; log lines may
/// come from any.
class Progress {
 public:
  Progress(int epochs, int64_t steps_per_epoch, int fd = 2);
  /// Of work that is no training: its name, bar, percent, time left. It has begun.
  Progress(std::string task, int64_t steps, int fd = 2);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  /// epoch is 1-based and may begin anywhere (a resumed run), `step` steps in.
  void begin_epoch(int epoch, int64_t step = 0);

  /// `step` steps of the epoch are done. Mostly one compare: the clock is read about 50 times a
  /// second.
  void update(int64_t step) {
    if (step >= next_check_) check(step);
  }

  /// Wipes the bar's line until the next drawing; call it before printing to the terminal by any
  /// other way than log().
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void check(int64_t step);
  void draw(int64_t step, Clock::time_point now);
  ProgressState state_at(int64_t step, Clock::time_point now) const;

  int epochs_;
  int64_t steps_;
  std::string task_;
  int fd_;
  int watcher_;  // who is told instead, or -1
  bool silent_;
  bool drawn_ = false;
  int epoch_ = 0;
  int64_t first_step_ = 0;  // where its clock began
  int finished_epochs_ = 0;
  int64_t next_check_ = 0;
  int64_t stride_ = 1;
  Clock::time_point run_began_, epoch_began_, last_check_, last_draw_;
};

/// Wipes the line of the bar that is on screen, if any; the log calls it.
void clear_progress_line();

}  // namespace mgqe

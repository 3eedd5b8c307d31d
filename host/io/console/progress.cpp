#include "host/io/console/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "host/io/console/terminal.hpp"

namespace mgqe {

namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kShortestBar = 8;
constexpr double kDrawSeconds = 0.1;
constexpr double kCheckSeconds = 0.02;

// Recursive: clear_progress_line() holds it while clear() takes it.
std::recursive_mutex screen_mutex;
Progress* on_screen = nullptr;

/// The descriptor that another process asked to be told through, or -1.
int watcher() {
  const char* fd = std::getenv(kProgressFdVariable);
  return fd == nullptr ? -1 : std::atoi(fd);
}

std::string format_rate(double rate) {
  if (rate < 10) return fmt::format("{:.2f}", rate);
  if (rate < 10'000) return fmt::format("{:.0f}", rate);
  if (rate < 1e6) return fmt::format("{:.1f}k", rate / 1e3);
  return fmt::format("{:.1f}M", rate / 1e6);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0)) return "--:--";
  const auto total = static_cast<int64_t>(std::llround(std::min(seconds, 1e9)));
  const int64_t minutes = total / 60, hours = total / 3600;
  if (hours >= 100) return fmt::format("{}d {:02}h", hours / 24, hours % 24);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes % 60, total % 60);
  return fmt::format("{}:{:02}", minutes, total % 60);
}

std::string progress_line(const ProgressState& state, int columns) {
  const double done = state.steps > 0 ? static_cast<double>(state.step) / state.steps : 1.0;
  const double fraction = std::clamp(done, 0.0, 1.0);
  const int percent = static_cast<int>(100 * fraction);
  const std::string rate = format_rate(state.steps_per_second);
  const std::string epoch_left = format_duration(state.epoch_seconds_left);
  const std::string run_left = format_duration(state.run_seconds_left);
  const std::string epochs = std::to_string(state.epochs);
  const std::string count = fmt::format("{:>{}}/{}", state.epoch, epochs.size(), epochs);

  struct Texts {
    std::string left, right;
  };
  // From talkative to terse; numbers keep their width, so that the bar does not jitter.
  std::array<Texts, 5> choices = {{
      {fmt::format("epoch {} ", count),
       fmt::format(" {:3}% {:>6} step/s, left: epoch {:>5}, run {:>5}", percent, rate, epoch_left,
                   run_left)},
      {fmt::format("epoch {} ", count),
       fmt::format(" {:3}% {:>6}/s {:>5}, run {:>5}", percent, rate, epoch_left, run_left)},
      {count + " ", fmt::format(" {:3}% {:>6}/s {:>5}", percent, rate, run_left)},
      {count + " ", fmt::format(" {:3}% {:>5}", percent, run_left)},
      {"", fmt::format(" {:3}%", percent)},
  }};
  if (!state.task.empty())
    for (size_t i = 0; i + 1 < choices.size(); ++i)
      choices[i] = {state.task + ' ', fmt::format(" {:3}%, left: {:>5}", percent, run_left)};
  // The last column stays empty: some terminals wrap as soon as it is filled.
  const int width = std::max(columns - 1, 0);
  for (const auto& [left, right] : choices) {
    const int bar = width - static_cast<int>(left.size() + right.size()) - 2;
    if (bar < kShortestBar) continue;
    const auto filled = static_cast<size_t>(fraction * bar);
    return fmt::format("{}[{}{}]{}", left, std::string(filled, '#'),
                       std::string(static_cast<size_t>(bar) - filled, '.'), right);
  }
  return fmt::format("{}%", percent).substr(0, static_cast<size_t>(width));
}

std::string progress_record(const ProgressState& state) {
  return fmt::format("{} {} {} {} {} {} {}\n", state.epoch, state.epochs, state.step, state.steps,
                     state.steps_per_second, state.epoch_seconds_left, state.run_seconds_left);
}

std::optional<ProgressState> read_progress_record(const std::string& line) {
  std::istringstream stream(line);
  ProgressState state;
  stream >> state.epoch >> state.epochs >> state.step >> state.steps >> state.steps_per_second >>
      state.epoch_seconds_left >> state.run_seconds_left;
  if (!stream) return std::nullopt;
  return state;
}

Progress::Progress(int epochs, int64_t steps_per_epoch, int fd)
    : epochs_(epochs),
      steps_(steps_per_epoch),
      fd_(fd),
      watcher_(watcher()),
      silent_(watcher_ < 0 && !is_terminal(fd)),
      run_began_(Clock::now()) {
  if (silent_) next_check_ = std::numeric_limits<int64_t>::max();
}

Progress::Progress(std::string task, int64_t steps, int fd) : Progress(1, steps, fd) {
  task_ = std::move(task);
  begin_epoch(1);
}

Progress::~Progress() { clear(); }

void Progress::begin_epoch(int epoch, int64_t step) {
  if (silent_) return;
  const Clock::time_point now = Clock::now();
  if (epoch_ == 0) {
    run_began_ = now;
  } else {
    ++finished_epochs_;
  }
  epoch_ = epoch;
  first_step_ = step;
  epoch_began_ = last_check_ = now;
  stride_ = 1;
  next_check_ = step + 1;
}

void Progress::check(int64_t step) {
  const Clock::time_point now = Clock::now();
  const double seconds = Seconds(now - last_check_).count();
  if (seconds < kCheckSeconds / 2) {
    stride_ *= 2;
  } else if (seconds > kCheckSeconds * 2) {
    stride_ = std::max<int64_t>(1, stride_ / 2);
  }
  last_check_ = now;
  // The last step is always looked at, so that the bar does not stop short of 100%.
  next_check_ = step < steps_ ? std::min(step + stride_, steps_) : step + stride_;
  if (step >= steps_ || Seconds(now - last_draw_).count() >= kDrawSeconds) draw(step, now);
}

ProgressState Progress::state_at(int64_t step, Clock::time_point now) const {
  const double elapsed = Seconds(now - epoch_began_).count();
  ProgressState state{epoch_, epochs_, step, steps_};
  state.task = task_;
  if (step <= first_step_ || elapsed <= 0) return state;
  state.steps_per_second = static_cast<double>(step - first_step_) / elapsed;
  state.epoch_seconds_left =
      static_cast<double>(std::max<int64_t>(steps_ - step, 0)) / state.steps_per_second;
  // Finished epochs know what evaluation costs; the first can only count its own steps.
  const double epoch_seconds = finished_epochs_ > 0
                                   ? Seconds(epoch_began_ - run_began_).count() / finished_epochs_
                                   : elapsed + state.epoch_seconds_left;
  const int epochs_left = std::max(epochs_ - epoch_, 0);
  const double this_epoch = std::max(epoch_seconds - elapsed, state.epoch_seconds_left);
  state.run_seconds_left = this_epoch + epochs_left * epoch_seconds;
  return state;
}

void Progress::draw(int64_t step, Clock::time_point now) {
  last_draw_ = now;
  const ProgressState state = state_at(step, now);
  if (watcher_ >= 0) return write_directly(watcher_, progress_record(state));
  const std::lock_guard lock(screen_mutex);
  const std::string line = progress_line(state, terminal_size(fd_).columns);
  write_directly(fd_, '\r' + line + "\x1b[K");
  drawn_ = true;
  on_screen = this;
}

void Progress::clear() {
  const std::lock_guard lock(screen_mutex);
  if (drawn_) write_directly(fd_, "\r\x1b[K");
  drawn_ = false;
  if (on_screen == this) on_screen = nullptr;
}

void clear_progress_line() {
  const std::lock_guard lock(screen_mutex);
  if (on_screen != nullptr) on_screen->clear();
}

}  // namespace mgqe

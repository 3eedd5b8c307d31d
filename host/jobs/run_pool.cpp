#include "host/jobs/run_pool.hpp"

#include <algorithm>
#include <list>

#include <fmt/format.h>
#include <poll.h>

#include "host/base/check.hpp"
#include "host/base/interruption.hpp"
#include "host/io/console/terminal.hpp"

namespace mgqe {
namespace {

constexpr int kDrawMilliseconds = 100;
constexpr int kScreen = 2;

// ---- what people read ---------------------------------------------------------------------------

/// The lines of the runs under way, redrawn in place below what is printed.
class Screen {
 public:
  explicit Screen(bool live) : live_(live) {}

  void draw(const std::vector<std::string>& lines) {
    if (!live_) return;
    std::string text = back();
    for (const std::string& line : lines) text += line + "\x1b[K\n";
    write_directly(kScreen, text + "\x1b[J");
    drawn_ = lines.size();
  }
  void clear() {
    if (drawn_ > 0) write_directly(kScreen, back() + "\x1b[J");
    drawn_ = 0;
  }

 private:
  std::string back() const { return drawn_ > 0 ? fmt::format("\x1b[{}F", drawn_) : ""; }

  bool live_;
  size_t drawn_ = 0;
};

// ---- the runs -----------------------------------------------------------------------------------

class RunPool {
 public:
  RunPool(RunSource& source, int jobs, int threads, const PoolWords& words)
      : source_(source),
        jobs_(static_cast<size_t>(jobs)),
        threads_(threads),
        words_(words),
        live_(is_terminal(kScreen)),
        screen_(live_) {}

  void run() {
    for (bool ask = true;;) {
      if (interruption_.signal() != 0) stop();
      while (ask && running_.size() < jobs_) ask = begin();
      if (running_.empty()) break;
      ask = look_after();
      const std::vector<RunningTime> times = running_times();
      source_.tick(times);
      screen_.draw(lines(times));
    }
    screen_.clear();
  }

 private:
  struct Running {
    Running(PooledRun given, int threads)
        : run(std::move(given)),
          child(run.program, run.arguments, threads, run.out / "log.txt", run.appends) {}
    PooledRun run;
    ChildRun child;
  };

  void print(const std::string& line) {
    screen_.clear();
    const auto columns = static_cast<size_t>(terminal_size(kScreen).columns);
    fmt::print("{}\n", live_ && line.size() >= columns ? line.substr(0, columns - 1) : line);
    std::fflush(stdout);
  }

  /// Whether there was one to begin.
  bool begin() {
    auto run = source_.next();
    if (!run) return false;
    running_.emplace_back(std::move(*run), threads_);
    if (!live_) print(running_.back().run.label + "  started");
    return true;
  }

  /// Whether one has ended.
  bool look_after() {
    bool ended = false;
    wait();
    for (auto current = running_.begin(); current != running_.end();) {
      current->child.look();
      if (!current->child.ended()) {
        ++current;
        continue;
      }
      finish(*current);
      current = running_.erase(current);
      ended = true;
    }
    return ended;
  }

  void wait() {
    std::vector<pollfd> watched;
    for (const Running& one : running_)
      for (const int fd : one.child.descriptors())
        if (fd >= 0) watched.push_back({fd, POLLIN, 0});
    // A child that has closed its pipes is about to end: then the time-out paces the look.
    poll(watched.data(), watched.size(), kDrawMilliseconds);
  }

  void finish(const Running& one) {
    const std::string time = format_duration(one.child.seconds());
    std::string error = one.child.error();
    if (one.child.succeeded()) try {
        const std::string outcome = source_.take(one.run, one.child.seconds());
        print(fmt::format("{}  done    {:>7}  {}", one.run.label, time, outcome));
        return;
      } catch (const std::exception& failure) {
        error = failure.what();
      }
    if (error.starts_with("mgqe: ")) error.erase(0, 6);
    if (!stopping_) source_.fail(one.run, error);
    print(fmt::format("{}  {:<7} {:>7}  {}", one.run.label, stopping_ ? "stopped" : "failed", time,
                      error));
  }

  /// They keep what they need to go on before they end.
  [[noreturn]] void stop() {
    const int signal = interruption_.signal();
    const size_t stopped = running_.size();
    stopping_ = true;
    for (Running& one : running_) one.child.stop();
    while (!running_.empty()) look_after();
    screen_.clear();
    const std::string more = source_.interrupt();
    throw Interrupted(signal, fmt::format("{} running and {} waiting {} were stopped{}", stopped,
                                          source_.count().waiting, words_.runs, more));
  }

  std::vector<RunningTime> running_times() const {
    std::vector<RunningTime> times;
    for (const Running& one : running_) {
      const auto& progress = one.child.progress();
      times.push_back(
          {one.run.id, one.child.seconds(), progress ? progress->run_seconds_left : -1.0});
    }
    return times;
  }

  std::vector<std::string> lines(const std::vector<RunningTime>& times) const {
    const auto [columns, rows] = terminal_size(kScreen);
    std::vector<std::string> lines;
    size_t width = 3;
    for (const Running& one : running_) width = std::max(width, one.run.label.size());
    for (const Running& one : running_) {
      if (static_cast<int>(lines.size()) + 2 >= rows) break;
      const auto& progress = one.child.progress();
      const int left = columns - static_cast<int>(width) - 2;
      lines.push_back(fmt::format("{:<{}}  ", one.run.label, width) +
                      (progress ? progress_line(*progress, left) : "starting"));
    }
    const auto [all, done, failed, waiting] = source_.count();
    std::string total = fmt::format("{:<{}}  {} of {} done", "all", width, done, all);
    if (failed > 0) total += fmt::format(", {} failed", failed);
    if (waiting > 0) total += fmt::format(", {} waiting", waiting);
    lines.push_back(total + ", left: " + format_duration(source_.seconds_left(times)));
    lines.back() = lines.back().substr(0, static_cast<size_t>(std::max(columns - 1, 0)));
    return lines;
  }

  RunSource& source_;
  size_t jobs_;
  int threads_;
  const PoolWords& words_;
  bool live_;
  Screen screen_;
  Interruption interruption_{/*notes_broken_pipe=*/true};
  bool stopping_ = false;
  std::list<Running> running_;
};

}  // namespace

void run_pool(RunSource& source, int jobs, int threads, const PoolWords& words) {
  RunPool(source, jobs, threads, words).run();
}

double seconds_left(const std::vector<double>& running, size_t waiting, double mean, int jobs) {
  double sum = 0.0, longest = 0.0;
  for (const double left : running) {
    const double assumed = left >= 0 ? left : mean;
    if (assumed < 0) return -1.0;
    sum += assumed;
    longest = std::max(longest, assumed);
  }
  if (waiting > 0 && mean < 0) return -1.0;
  return std::max(longest, (sum + static_cast<double>(waiting) * mean) / jobs);
}

Sharing share_cores(int asked, size_t runs, bool gpu, int cores) {
  const int wanted = asked > 0 ? asked : gpu ? 1 : cores;
  const int jobs = std::max(1, std::min(wanted, static_cast<int>(std::min<size_t>(runs, 1 << 20))));
  return {jobs, std::max(1, cores / jobs)};
}

}  // namespace mgqe

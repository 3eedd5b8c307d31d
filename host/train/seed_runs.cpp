#include "host/train/seed_runs.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <list>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>

#include "host/core/check.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/terminal.hpp"
#include "host/train/interruption.hpp"

namespace mgqe {
namespace {

constexpr size_t kMaxSeeds = 1000;
constexpr int kDrawMilliseconds = 100;
constexpr int kScreen = 2;

bool parse_seed(const std::string& text, uint64_t& seed) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && stop == end && !text.empty();
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

// ---- what people read ---------------------------------------------------------------------------

/// Not an object where there is none: a run leaves it last.
nlohmann::json result_of(const std::filesystem::path& out) {
  if (!std::filesystem::is_regular_file(out / "result.json")) return nullptr;
  std::ifstream stream(out / "result.json");
  return nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
}

/// "test full NDCG@10 0.0388, best epoch 17" of a finished run.
std::string outcome(const nlohmann::json& result) {
  const auto& test = result.at("test");
  const std::string figure =
      test.contains("rmse")
          ? fmt::format("RMSE {:.3f}", test.at("rmse").get<double>())
          : fmt::format("full NDCG@10 {:.4f}", test.at("full").at("ndcg@10").get<double>());
  return fmt::format("test {}, best epoch {}", figure, result.at("best_epoch").get<int>());
}

/// The lines of the seeds that run, redrawn in place below what is printed.
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

class SeedRuns {
 public:
  SeedRuns(const std::vector<SeedRun>& runs, int jobs, int threads)
      : runs_(runs), jobs_(jobs), threads_(threads), live_(is_terminal(kScreen)), screen_(live_) {
    for (const SeedRun& run : runs) width_ = std::max(width_, std::to_string(run.seed).size());
  }

  std::vector<FailedSeed> run() {
    while (next_ < runs_.size() || !running_.empty()) {
      if (interruption_.signal() != 0) stop();
      while (next_ < runs_.size() && running_.size() < static_cast<size_t>(jobs_)) begin();
      look_after();
    }
    screen_.clear();
    return failed_;
  }

 private:
  struct Running {
    Running(const SeedRun& run, int threads)
        : run(run), child(run.arguments, threads, run.out / "log.txt", run.resumes) {}
    const SeedRun& run;
    ChildRun child;
  };

  std::string label(uint64_t seed) const { return fmt::format("seed {:>{}}  ", seed, width_); }

  void print(const std::string& line) {
    screen_.clear();
    const auto columns = static_cast<size_t>(terminal_size(kScreen).columns);
    fmt::print("{}\n", live_ && line.size() >= columns ? line.substr(0, columns - 1) : line);
    std::fflush(stdout);
  }

  void begin() {
    running_.emplace_back(runs_[next_++], threads_);
    if (!live_) print(label(running_.back().run.seed) + "started");
  }

  void look_after() {
    wait();
    for (auto current = running_.begin(); current != running_.end();) {
      current->child.look();
      if (current->child.ended()) {
        finish(*current);
        current = running_.erase(current);
      } else {
        ++current;
      }
    }
    screen_.draw(lines());
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
    const ChildRun& child = one.child;
    const std::string time = format_duration(child.seconds());
    const nlohmann::json result = result_of(one.run.out);
    if (child.succeeded() && result.is_object()) {
      finished_seconds_.push_back(child.seconds());
      print(fmt::format("{}done    {:>7}  {}", label(one.run.seed), time, outcome(result)));
      return;
    }
    // One that was interrupted ends well, without a result.
    std::string error = child.succeeded() ? "stopped before its end" : child.error();
    if (error.starts_with("mgqe: ")) error.erase(0, 6);
    failed_.push_back({one.run.seed, error});
    print(fmt::format("{}{:<8}{:>7}  {}", label(one.run.seed), stopping_ ? "stopped" : "failed",
                      time, error));
  }

  /// They take a checkpoint each before they end.
  [[noreturn]] void stop() {
    const int signal = interruption_.signal();
    const size_t stopped = running_.size();
    stopping_ = true;
    for (Running& one : running_) one.child.stop();
    while (!running_.empty()) look_after();
    screen_.clear();
    throw Interrupted(signal, fmt::format("{} running and {} waiting seeds were stopped", stopped,
                                          runs_.size() - next_));
  }

  std::vector<std::string> lines() const {
    const auto [columns, rows] = terminal_size(kScreen);
    std::vector<std::string> lines;
    std::vector<double> left;
    double known = 0.0, whole = 0.0;  // runs whose length is known, and the sum of their lengths
    for (const double seconds : finished_seconds_) known += 1, whole += seconds;
    for (const Running& one : running_) {
      const auto& progress = one.child.progress();
      const std::string name = label(one.run.seed);
      const double seconds = progress ? progress->run_seconds_left : -1.0;
      left.push_back(seconds);
      if (seconds >= 0) known += 1, whole += one.child.seconds() + seconds;
      if (static_cast<int>(lines.size()) + 2 < rows)
        lines.push_back(
            name + (progress ? progress_line(*progress, columns - static_cast<int>(name.size()))
                             : "starting"));
    }
    const size_t waiting = runs_.size() - next_;
    const double all = seconds_left(left, waiting, known > 0 ? whole / known : -1.0, jobs_);
    std::string total = fmt::format("{:<{}}{} of {} done", "all", width_ + 7,
                                    finished_seconds_.size(), runs_.size());
    if (!failed_.empty()) total += fmt::format(", {} failed", failed_.size());
    if (waiting > 0) total += fmt::format(", {} waiting", waiting);
    lines.push_back(total + ", left: " + format_duration(all));
    lines.back() = lines.back().substr(0, static_cast<size_t>(std::max(columns - 1, 0)));
    return lines;
  }

  const std::vector<SeedRun>& runs_;
  int jobs_, threads_;
  bool live_;
  Screen screen_;
  size_t width_ = 0;  // of the longest seed
  size_t next_ = 0;   // that waits
  std::list<Running> running_;
  std::vector<double> finished_seconds_;
  std::vector<FailedSeed> failed_;
  Interruption interruption_;
  bool stopping_ = false;
};

}  // namespace

std::vector<uint64_t> parse_seeds(const std::string& text) {
  const auto refuse = [&](const char* why) {
    input_error("--seeds ", text, ": ", why, "; the form is FIRST..LAST (1..10) or a list (1,2,5)");
  };
  std::vector<uint64_t> seeds;
  for (const std::string& part : split(text, ',')) {
    const size_t dots = part.find("..");
    uint64_t first = 0, last = 0;
    const bool parsed = parse_seed(part.substr(0, dots), first) &&
                        (dots == std::string::npos || parse_seed(part.substr(dots + 2), last));
    if (!parsed) refuse("not seeds");
    if (dots == std::string::npos) last = first;
    if (last < first) refuse("the range ends before it begins");
    if (last - first >= kMaxSeeds - seeds.size()) refuse("more than 1000 seeds");
    for (uint64_t offset = 0; offset <= last - first; ++offset) seeds.push_back(first + offset);
  }
  if (std::set<uint64_t>(seeds.begin(), seeds.end()).size() != seeds.size())
    refuse("a seed stands twice");
  return seeds;
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

bool is_finished(const std::filesystem::path& out, const Config& config) {
  const nlohmann::json result = result_of(out);
  if (!result.is_object() || !result.contains("config")) return false;
  Config recorded;
  update_from_json(recorded, result["config"], (out / "result.json").string());
  std::vector<std::string> except = {"run.device", "run.out"};
  if (config.data.name == "auto") except.push_back("data.name");
  return differences(recorded, config, except).empty();
}

std::vector<FailedSeed> run_seeds(const std::vector<SeedRun>& runs, int jobs, int threads) {
  for (const SeedRun& run : runs) ensure_writable_directory(run.out);
  return SeedRuns(runs, jobs, threads).run();
}

}  // namespace mgqe

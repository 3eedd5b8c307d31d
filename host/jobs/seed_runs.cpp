#include "host/jobs/seed_runs.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {
namespace {

constexpr size_t kMaxSeeds = 1000;

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

/// Not an object where there is none: a run leaves it last.
nlohmann::json result_of(const std::filesystem::path& out) {
  std::ifstream stream(out / "result.json");
  return nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
}

/// "epoch 17 is best, NDCG@10 0.0388" of a finished run.
std::string outcome(const std::filesystem::path& out) {
  const nlohmann::json result = result_of(out);
  // One that was interrupted ends well, without a result.
  if (!result.is_object()) throw Error("stopped before its end");
  const auto& test = result.at("test");
  const auto shown = [](const nlohmann::json& value, int digits) {  // null: of no users
    return value.is_null() ? "-" : fmt::format("{:.{}f}", value.get<double>(), digits);
  };
  std::string figure;
  if (test.contains("rmse"))
    figure = "RMSE " + shown(test.at("rmse"), 3);
  else if (test.contains("auc"))
    figure = "AUC " + shown(test.at("auc"), 5);
  else
    figure = "full NDCG@10 " + shown(test.at("full").at("ndcg@10"), 4);
  return fmt::format("test {}, best epoch {}", figure, result.at("best_epoch").get<int>());
}

class SeedSource final : public RunSource {
 public:
  SeedSource(const std::vector<SeedRun>& runs, int jobs) : runs_(runs), jobs_(jobs) {
    for (const SeedRun& run : runs) width_ = std::max(width_, std::to_string(run.seed).size());
  }

  std::optional<PooledRun> next() override {
    if (next_ == runs_.size()) return std::nullopt;
    const SeedRun& run = runs_[next_];
    return PooledRun{next_++,      fmt::format("seed {:>{}}", run.seed, width_),
                     kThisProgram, run.arguments,
                     run.out,      run.resumes};
  }
  std::string take(const PooledRun& run, double seconds) override {
    std::string line = outcome(run.out);
    finished_seconds_.push_back(seconds);
    return line;
  }
  void fail(const PooledRun& run, const std::string& error) override {
    failed_.push_back({runs_[run.id].seed, error});
  }
  Count count() const override {
    return {runs_.size(), finished_seconds_.size(), failed_.size(), runs_.size() - next_};
  }
  double seconds_left(const std::vector<RunningTime>& running) const override {
    std::vector<double> left;
    double known = 0.0, whole = 0.0;  // runs whose length is known, and the sum of their lengths
    for (const double seconds : finished_seconds_) known += 1, whole += seconds;
    for (const RunningTime& one : running) {
      left.push_back(one.left);
      if (one.left >= 0) known += 1, whole += one.seconds + one.left;
    }
    return mgqe::seconds_left(left, count().waiting, known > 0 ? whole / known : -1.0, jobs_);
  }

  const std::vector<FailedSeed>& failed() const { return failed_; }

 private:
  const std::vector<SeedRun>& runs_;
  int jobs_;
  size_t width_ = 0;  // of the longest seed
  size_t next_ = 0;   // that waits
  std::vector<double> finished_seconds_;
  std::vector<FailedSeed> failed_;
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

bool is_finished(const std::filesystem::path& out, const Config& config) {
  const nlohmann::json result = result_of(out);
  if (!result.is_object() || !result.contains("config")) return false;
  Config recorded;
  update_from_json(recorded, result["config"], (out / "result.json").string());
  std::vector<std::string> except = {"run.device", "run.out"};
  if (config.data.name == "auto") except.push_back("data.name");
  if (!config.embedding.budget.empty())  // whose plan the run has made
    except.insert(except.end(),
                  {"embedding.centroids", "embedding.tiers", "embedding.user_centroids",
                   "embedding.user_tiers", "embedding.item_centroids", "embedding.item_tiers"});
  return differences(recorded, config, except).empty();
}

std::vector<FailedSeed> run_seeds(const std::vector<SeedRun>& runs, int jobs, int threads) {
  for (const SeedRun& run : runs) ensure_writable_directory(run.out);
  SeedSource source(runs, jobs);
  run_pool(source, jobs, threads, {"mgqe", "seeds"});
  return source.failed();
}

}  // namespace mgqe

#include "experiments/grid/grid_runner.hpp"

#include <chrono>
#include <fstream>
#include <memory>

#include <fmt/format.h>

#include "experiments/grid/run_claims.hpp"
#include "experiments/grid/run_key.hpp"
#include "experiments/grid/training_length.hpp"
#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/engine/backend.hpp"
#include "host/jobs/run_pool.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

/// `mgqe` beside this program.
fs::path trainer_program() {
  const fs::path path = fs::read_symlink(kThisProgram).parent_path() / "mgqe";
  if (!fs::exists(path))
    input_error(path.string(),
                " is missing: build it, cmake --build --preset release --target mgqe");
  return path;
}

std::string outcome(const RunRecord& record) {
  const auto& test = record.at("test");
  const auto shown = [](const RunRecord& figure, int digits) {  // null: of no users
    return figure.is_null() ? "-" : fmt::format("{:.{}f}", figure.get<double>(), digits);
  };
  if (test.contains("auc")) return "AUC " + shown(test.at("auc"), 5);
  if (test.contains("rmse")) return "RMSE " + shown(test.at("rmse"), 3);
  return fmt::format("HR@10 {} sampled, {} full", shown(test.at("sampled").at("hr@10"), 4),
                     shown(test.at("full").at("hr@10"), 4));
}

class GridSource final : public RunSource {
 public:
  GridSource(const std::vector<GridRun>& runs, const RunStore& store, const GridOptions& options,
             bool gpu)
      : runs_(runs),
        first_(runs),
        store_(store),
        options_(options),
        trainer_(trainer_program()),
        claims_(store.claims_folder()),
        states_(runs.size(), State::kWaiting) {
    data_.resize(runs.size());
    for (size_t i = 0; i < runs.size(); ++i)
      if (look_up(i).next) read_data_of(runs[i].config);
    for (size_t i = 0; i < runs.size(); ++i) {
      if (const auto known = fingerprints_.find(data_key(runs[i].config));
          known != fingerprints_.end())
        data_[i] = known->second;
      const StoredLength found = look_up(i);
      if (found.stands && (found.stands->at("device") != "cpu") == gpu)
        costs_.learn(at_length(first_[i], recorded_config(*found.stands)),
                     seconds_of(*found.stands));
      go_on_to(i, found.next);
    }
  }

  size_t waiting() const { return number_in(State::kWaiting); }
  void share(int jobs) { jobs_ = jobs; }

  std::optional<PooledRun> next() override {
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (states_[i] != State::kWaiting && states_[i] != State::kElsewhere) continue;
      advance(i);
      if (states_[i] == State::kStored) continue;
      if (!may_begin(runs_[i])) {
        states_[i] = State::kLeftOut;
        continue;
      }
      const std::string claim = claim_of(i);
      const bool taken = claims_.take(claim);
      // Looked up with the claim in hand: its last holder may just have stored it.
      if (store_.holds(runs_[i].config, data_[i])) {
        if (taken) claims_.release(claim);
        --i;  // for its next length, if there is one
      } else if (!taken) {
        states_[i] = State::kElsewhere;
      } else {
        return begin(i);
      }
    }
    return std::nullopt;
  }

  std::string take(const PooledRun& run, double /*seconds*/) override {
    const Config& config = runs_[run.id].config;
    std::ifstream stream(run.out / "result.json");
    const RunRecord result = RunRecord::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!result.is_object()) throw Error("left no result.json");
    const RunRecord record = make_record(result, config);
    store_.put(config, record, run.out);
    claims_.release(claim_of(run.id));
    data_[run.id] = recorded_data(record);  // another than at the start, if the file has changed
    std::error_code ignored;
    fs::remove_all(run.out, ignored);
    states_[run.id] = State::kWaiting;
    ++made_;
    costs_.learn(runs_[run.id], seconds_of(record));
    advance(run.id);
    return outcome(record) + (states_[run.id] == State::kWaiting
                                  ? fmt::format("; still improving, so {} epochs next",
                                                runs_[run.id].config.train.epochs)
                                  : "");
  }

  void fail(const PooledRun& run, const std::string& error) override {
    claims_.release(claim_of(run.id));
    states_[run.id] = State::kFailed;
    failed_.push_back({runs_[run.id].label, error});
  }

  void tick(const std::vector<RunningTime>& running) override {
    claims_.beat();
    running_ = running;
  }

  std::string interrupt() override {
    for (size_t i = 0; i < runs_.size(); ++i) {
      if (states_[i] != State::kRunning) continue;
      claims_.release(claim_of(i));
      std::error_code ignored;
      fs::remove_all(folders_[i], ignored);
    }
    return "; the same command goes on where this one stopped";
  }

  Count count() const override {
    return {runs_.size(), number_in(State::kStored), failed_.size(), waiting()};
  }

  double seconds_left(const std::vector<RunningTime>& running) const override {
    double sum = 0.0, longest = 0.0;
    for (const RunningTime& one : running) {
      const double left = left_of(one);
      sum += left;
      longest = std::max(longest, left);
    }
    for (size_t i = 0; i < runs_.size(); ++i)
      if (states_[i] == State::kWaiting) sum += costs_.seconds(runs_[i]);
    const double left = std::max(longest, sum / jobs_);
    return options_.budget_seconds > 0.0
               ? std::min(left, std::max(options_.budget_seconds - elapsed(), longest))
               : left;
  }

  GridSummary summary() const {
    GridSummary summary;
    summary.stored = number_in(State::kStored);
    summary.made = made_;
    summary.elsewhere = number_in(State::kElsewhere);
    summary.failed = failed_;
    for (size_t i = 0; i < runs_.size(); ++i)
      if (states_[i] == State::kLeftOut) summary.left_out.push_back(runs_[i]);
    return summary;
  }

 private:
  StoredLength look_up(size_t i) const {
    return stored_length(store_, first_[i].config, first_[i].longest, data_[i]);
  }
  /// To the length that is to be made next.
  void advance(size_t i) { go_on_to(i, look_up(i).next); }
  void go_on_to(size_t i, const std::optional<Config>& next) {
    if (next)
      runs_[i] = at_length(first_[i], *next);
    else
      states_[i] = State::kStored;
  }

  enum class State { kWaiting, kRunning, kStored, kElsewhere, kLeftOut, kFailed };
  using Clock = std::chrono::steady_clock;

  /// A set that is missing or damaged is told of by the run that needs it.
  void read_data_of(const Config& config) {
    const auto [place, added] = fingerprints_.try_emplace(data_key(config));
    if (!added) return;
    try {
      place->second = data_fingerprint(config);
    } catch (const Error&) {
    }
  }
  /// Two grids may share a store and see other data by the same name.
  std::string claim_of(size_t i) const {
    return run_key(runs_[i].config) + (data_[i].empty() ? "" : "-" + data_[i]);
  }

  size_t number_in(State state) const {
    return static_cast<size_t>(std::count(states_.begin(), states_.end(), state));
  }
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  bool may_begin(const GridRun& run) const {
    return options_.budget_seconds <= 0.0 ||
           elapsed() + costs_.seconds(run) <= options_.budget_seconds;
  }

  static double seconds_of(const RunRecord& record) {
    const auto& seconds = record.at("seconds");
    return seconds.at("train").get<double>() + seconds.at("evaluate").get<double>();
  }

  double left_of(const RunningTime& one) const {
    return one.left >= 0 ? one.left : std::max(0.0, costs_.seconds(runs_[one.id]) - one.seconds);
  }

  PooledRun begin(size_t i) {
    const GridRun& run = runs_[i];
    states_[i] = State::kRunning;
    const fs::path out = folders_[i] = store_.make_work_folder(run.config);
    // argv[0] is what a user would type; the program is the one beside this.
    PooledRun pooled{i, run.label, trainer_.string(), {"build/release/mgqe", "train"}, out};
    for (const std::string& flag : run_flags(run.config)) pooled.arguments.push_back(flag);
    for (const std::string& flag :
         {std::string("--device"), options_.device, std::string("--out"), out.string()})
      pooled.arguments.push_back(flag);
    return pooled;
  }

  std::vector<GridRun> runs_;  // at the length that each is made at now
  const std::vector<GridRun>& first_;
  const RunStore& store_;
  const GridOptions& options_;
  fs::path trainer_;
  RunClaims claims_;
  std::vector<State> states_;      // by run
  std::vector<std::string> data_;  // by run: the fingerprint of its data here; empty: any will do
  std::map<std::string, std::string> fingerprints_;  // by data_key, of data that runs are to see
  std::map<size_t, fs::path> folders_;               // of the runs begun
  std::vector<RunningTime> running_;
  std::vector<GridSummary::Failure> failed_;
  RunCosts costs_;
  size_t made_ = 0;
  int jobs_ = 1;
  Clock::time_point began_ = Clock::now();
};

}  // namespace

GridSummary run_grid(const std::vector<GridRun>& runs, const RunStore& store,
                     const GridOptions& options) {
  store.sweep();
  const bool gpu = runs_on_gpu(options.device);
  GridSource source(runs, store, options, gpu);
  const auto [jobs, threads] = share_cores(options.jobs, source.waiting(), gpu, thread_count());
  source.share(jobs);
  const auto [all, done, failed, waiting] = source.count();
  fmt::print("{} runs: {} stored in {}, {} to make, {} at a time with {} thread{} each\n", all,
             done, store.folder().string(), waiting, jobs, threads, threads == 1 ? "" : "s");
  if (waiting > 0) {
    const double seconds = source.seconds_left({});
    fmt::print("expected: about {}\n\n", seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60)
                                                        : fmt::format("{:.1f} h", seconds / 3600));
  }
  std::fflush(stdout);
  run_pool(source, jobs, threads, {options.program, "runs"});
  return source.summary();
}

std::string to_text(const GridSummary& summary, size_t runs) {
  std::string text = fmt::format("\n{} of {} runs are stored, {} of them made now", summary.stored,
                                 runs, summary.made);
  if (summary.elsewhere > 0) text += fmt::format("; {} are made elsewhere", summary.elsewhere);
  if (!summary.left_out.empty())
    text += fmt::format("; {} are left by --budget, the first {}", summary.left_out.size(),
                        summary.left_out.front().label);
  text += "\n";
  for (const auto& [label, error] : summary.failed)
    text += fmt::format("failed: {}: {}\n", label, error);
  return text;
}

}  // namespace mgqe

// Seconds per training step of one configuration, without evaluation: what
// baselines/compare_training.py holds against PyTorch.
#include <algorithm>
#include <chrono>
#include <iostream>

#include "experiments/cli/cli.hpp"
#include "host/base/version.hpp"
#include "host/io/atomic_file.hpp"
#include "host/train/training_loop.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  bench_train --data ml-1m --embedding full --steps 5000
  bench_train --data ml-1m --embedding mgqe --subspaces 32 --batch 4096 --steps 500 --json out.json
  OMP_NUM_THREADS=1 bench_train --data synthetic --embedding mgqe --json -
  bench_train --task ctr --model dcn --data frappe --batch 4096 --steps 200 --optimizer adam
  bench_train --data ml-1m --embedding mgqe --subspaces 32 --against dpq_vq --rounds 10)";

struct BenchOptions {
  int64_t steps = 2000;
  int64_t warmup = 200;
  std::string against;
  int rounds = 10;
  std::string json;
};

/// Runs steps, beginning a new epoch where one ends.
class StepRunner {
 public:
  explicit StepRunner(TrainingLoop& loop) : loop_(loop), left_(0) {}

  void run(int64_t steps) {
    while (steps > 0) {
      if (left_ == 0) {
        loop_.begin_epoch(++epoch_);
        left_ = loop_.steps_per_epoch();
      }
      const int64_t done = loop_.advance(std::min(steps, left_));
      steps -= done;
      left_ -= done;
    }
  }

 private:
  TrainingLoop& loop_;
  int64_t left_;
  int epoch_ = 0;
};

/// What a click model's step is made for, so that a baseline can draw rows of the same features.
nlohmann::ordered_json feature_shape(const FeatureLayout& layout, const Config& config,
                                     int64_t examples) {
  std::vector<int64_t> fields(static_cast<size_t>(layout.features));
  for (const FeatureGroup& group : layout.groups)
    for (int64_t k = 0; k < group.count(); ++k)
      fields[static_cast<size_t>(group.place(k))] = static_cast<int64_t>(group.counts(k).size());
  return {{"fields", fields},
          {"dense", layout.dense},
          {"full_rows", config.embedding.full_rows},
          {"examples", examples},
          {"hidden", config.model.hidden},
          {"cross_layers", config.model.cross_layers}};
}

nlohmann::ordered_json measure(Config config, const BenchOptions& options) {
  const std::unique_ptr<Backend> backend = make_backend(config.run.device);
  const std::unique_ptr<Task> task = make_task(*backend, config);
  TrainingLoop loop(*backend, *task, config);
  StepRunner runner(loop);
  runner.run(options.warmup);
  backend->synchronize();
  const auto began = std::chrono::steady_clock::now();
  runner.run(options.steps);
  backend->synchronize();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const double per_step = seconds / static_cast<double>(options.steps);
  nlohmann::ordered_json result = {
      {"op", config.model.name + " " + config.embedding.scheme},
      {"shape",
       {{"users", task->catalogue().users},
        {"items", task->catalogue().items},
        {"dim", config.embedding.dim},
        {"subspaces", config.embedding.subspaces},
        {"centroids", config.embedding.centroids},
        {"batch", config.train.batch},
        {"optimizer", config.train.optimizer}}},
      {"data", config.data.name},
      {"steps", options.steps},
      {"seconds_per_step", per_step},
      {"steps_per_epoch", loop.steps_per_epoch()},
      {"samples_per_second", static_cast<double>(loop.examples_per_epoch()) /
                                 static_cast<double>(loop.steps_per_epoch()) / per_step},
      {"mean_loss", loop.mean_loss()},
      {"device", backend->name()},
      {"device_description", backend->description()},
      {"seed", config.run.seed},
      {"commit", build_commit()}};
  if (task->catalogue().layout)
    result["shape"]["features"] =
        feature_shape(*task->catalogue().layout, config, loop.examples_per_epoch());
  return result;
}

/// The same config with another scheme, at the defaults of that scheme but for d and D.
Config with_scheme(Config config, const std::string& scheme) {
  config.embedding.scheme = scheme;
  config.embedding.centroids.clear();
  config.embedding.tiers.clear();
  config.embedding.variant = Variant{};
  config.embedding.subspaces.resize(1);
  resolve(config);
  validate(config);
  validate_backbone(config);
  return config;
}

/// Both models are in memory, and their steps take turns: what else runs on the machine meets both.
/// Which of them begins a round changes with it.
nlohmann::ordered_json compare(Config config, const BenchOptions& options) {
  Config other = with_scheme(config, options.against);
  const std::unique_ptr<Backend> backend = make_backend(config.run.device);
  const std::unique_ptr<Task> task = make_task(*backend, config);
  TrainingLoop loop(*backend, *task, config), other_loop(*backend, *task, other);
  StepRunner runners[] = {StepRunner(loop), StepRunner(other_loop)};
  for (StepRunner& runner : runners) runner.run(options.warmup);
  const int64_t steps = std::max<int64_t>(1, options.steps / options.rounds);
  std::vector<double> seconds[2];
  nlohmann::ordered_json ratios = nlohmann::ordered_json::array();
  for (int round = 0; round < options.rounds; ++round) {
    for (int turn = 0; turn < 2; ++turn) {
      const int which = (round + turn) % 2;
      backend->synchronize();
      const auto began = std::chrono::steady_clock::now();
      runners[which].run(steps);
      backend->synchronize();
      seconds[which].push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() /
          static_cast<double>(steps));
    }
    ratios.push_back(seconds[0].back() / seconds[1].back());
  }
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return 0.5 * (values[(values.size() - 1) / 2] + values[values.size() / 2]);
  };
  return {{"op", config.model.name + " " + config.embedding.scheme},
          {"against", options.against},
          {"data", config.data.name},
          {"model", config.model.name},
          {"dim", config.embedding.dim},
          {"subspaces", config.embedding.subspaces},
          {"batch", config.train.batch},
          {"steps_per_round", steps},
          {"seconds_per_step", median(seconds[0])},
          {"seconds_per_step_against", median(seconds[1])},
          {"ratio", median(seconds[0]) / median(seconds[1])},
          {"ratio_by_round", ratios},
          {"device", backend->name()},
          {"device_description", backend->description()},
          {"seed", config.run.seed},
          {"commit", build_commit()}};
}

void write_json(const nlohmann::ordered_json& result, const std::string& place) {
  const std::string json = nlohmann::ordered_json::array({result}).dump(2) + "\n";
  if (place == "-")
    std::cout << json << std::flush;
  else if (!place.empty())
    write_file_atomically(place, json);
}

Config config_of(const ConfigOptions& options) {
  Config config = options.config();
  if (!config.embedding.budget.empty())
    input_error("--budget is for `mgqe train`, which says what sizes it finds: give those");
  return config;
}

void run(int argc, char** argv) {
  CLI::App app("Seconds per training step", "bench_train");
  app.footer(kExamples);
  BenchOptions options;
  app.add_option("--steps", options.steps, "steps timed")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup, "steps before them")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  auto* against = app.add_option(
      "--against", options.against,
      "time a second scheme of the same d and D in turn with the first, and give the "
      "ratio of their steps by round");
  app.add_option("--rounds", options.rounds, "of --against: turns that --steps are split into")
      ->capture_default_str()
      ->needs(against)
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "write the figures to this file; - for stdout");
  const ConfigOptions config_options(app, ConfigBase::kDefaults,
                                     [](const auto&, const auto&) { return true; });
  parse_command_line(app, argc, argv);

  if (!options.against.empty()) {
    const nlohmann::ordered_json result = compare(config_of(config_options), options);
    write_json(result, options.json);
    if (options.json == "-") return;
    fmt::print("{}: {:.1f} us a step, {} {:.1f}: {:.3f} times on {}\n",
               result["op"].get<std::string>(), 1e6 * result["seconds_per_step"].get<double>(),
               options.against, 1e6 * result["seconds_per_step_against"].get<double>(),
               result["ratio"].get<double>(), result["device_description"].get<std::string>());
    return;
  }
  const nlohmann::ordered_json result = measure(config_of(config_options), options);
  write_json(result, options.json);
  if (options.json == "-") return;
  fmt::print("{}: {:.1f} us a step, {:.0f} examples/s on {}\n", result["op"].get<std::string>(),
             1e6 * result["seconds_per_step"].get<double>(),
             result["samples_per_second"].get<double>(),
             result["device_description"].get<std::string>());
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("bench_train", [&] { mgqe::run(argc, argv); });
}

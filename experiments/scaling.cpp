// Steps of one model on as many ranks as were started: samples a second, bytes exchanged by kind,
// and the share of time in exchanges. Tables are as large as asked; data is drawn, not loaded.
#include <algorithm>
#include <chrono>
#include <iostream>

#include "experiments/cli/cli.hpp"
#include "experiments/scaling/exchange_plan.hpp"
#include "experiments/scaling/zipf_pairs.hpp"
#include "host/base/version.hpp"
#include "host/engine/look_ahead.hpp"
#include "host/io/atomic_file.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe::scaling {
namespace {

constexpr const char* kExamples = R"(examples:
  scaling --rows 5000000 --users 1000000 --batch 65536 --optimizer rowwise_adagrad
  mpirun -np 4 build/release/scaling --rows 1000000 --batch 16384 --shard rows --json out.json
  srun --mpi=pmix build/release/scaling --rows 1000000000 --users 100000000 --batch 1048576 \
       --optimizer rowwise_adagrad
  scaling --plan nodes=1..8,gpus=8 --rows 1000000000 --users 100000000 --batch 1048576 \
       --optimizer rowwise_adagrad --shard rows

--batch is the batch of all ranks together: keep it for strong scaling, multiply it by the ranks for
weak. --plan trains nothing: it prints the memory and the exchange of a cluster, from the
configuration.)";

constexpr int64_t kBatches = 8;

struct Options {
  int64_t rows = 1'000'000, users = 1'000'000;
  int64_t steps = 50;
  int64_t warmup =
      2 * kBatches;  // a back end that records steps records each batch's at its second
  std::string plan, json;
};

/// The largest of any rank.
double slowest(Communicator& ranks, double seconds) {
  double most = 0.0;
  for (const std::string& one : ranks.gather(std::to_string(seconds)))
    most = std::max(most, std::stod(one));
  return most;
}

class Steps {
 public:
  Steps(Backend& backend, const Config& config, const Catalogue& catalogue)
      : backend_(backend),
        adam_(optimizer_options(config.train).adam),
        pairs_(backend, config, catalogue, kBatches),
        model_(make_model(backend, config, catalogue)),
        look_ahead_(backend),
        state_(backend, 1),
        loss_(backend, 1),
        runner_(backend.make_step_runner()) {
    model_->begin_epoch(1);
    backend_.synchronize();
    if (!alone()) prepare(0);
  }

  void run(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i, ++done_) {
      backend_.communicator().begin_step(static_cast<uint64_t>(done_) + 1);
      if (alone())
        step_alone();
      else
        step_among_ranks();
    }
    backend_.synchronize();
  }
  /// Mean loss of the examples since the last call, over all ranks.
  double mean_loss(int64_t examples) {
    std::vector<double> sum = loss_.to_host();
    loss_.zero();
    sum_over_ranks(backend_.communicator(), sum);
    return sum[0] / static_cast<double>(examples);
  }

 private:
  bool alone() const { return backend_.communicator().alone(); }
  /// As in training, steps are recorded and repeated: here those of a batch, whose arrays are its
  /// own.
  void step_alone() {
    const Batch batch = pairs_.at(done_);
    runner_->run({batch.examples, static_cast<int>(done_ % kBatches)}, 1, [&] {
      backend_.begin_step(state_, adam_);
      model_->prepare(backend_, batch);
      model_->train_step(batch, state_, loss_);
    });
  }
  void step_among_ranks() {
    look_ahead_.begin_step();
    backend_.begin_step(state_, adam_);
    model_->train_step(batch_, state_, loss_);
    prepare(done_ + 1);
  }
  void prepare(int64_t step) {
    batch_ = pairs_.at(step);
    model_->prepare(look_ahead_.stream(), batch_);
  }

  Backend& backend_;
  AdamOptions adam_;
  ZipfPairs pairs_;
  std::unique_ptr<Model> model_;
  LookAhead look_ahead_;
  Batch batch_;
  Tensor<StepState> state_;
  Tensor<double> loss_;
  std::unique_ptr<StepRunner> runner_;  // what it recorded goes before the arrays it names
  int64_t done_ = 0;
};

nlohmann::ordered_json traffic(Communicator& ranks, int64_t steps) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Traffic what :
       {Traffic::kForward, Traffic::kBackward, Traffic::kCodebook, Traffic::kDense}) {
    std::vector<double> sums = {static_cast<double>(ranks.account(what).bytes),
                                ranks.account(what).seconds};
    sum_over_ranks(ranks, sums);
    const double each = static_cast<double>(ranks.size()) * static_cast<double>(steps);
    json[traffic_name(what)] = {{"bytes_per_step", sums[0] / each},
                                {"seconds_per_step", sums[1] / each}};
  }
  return json;
}

nlohmann::ordered_json measure(Backend& backend, const Config& config, const Options& options,
                               const std::string& command) {
  Communicator& ranks = backend.communicator();
  const Catalogue catalogue{options.users, options.rows, 0.0};
  MemoryPlan memory = plan_memory(ranks.size(), config, catalogue);
  memory.host_lines.clear();  // nothing is written
  fmt::print("device  {}: {}\n", backend.name(), backend.description());
  fmt::print("ranks   {} by {}; {}\n", ranks.size(), ranks.name(),
             describe_placement(ranks.size(), config, catalogue));
  fmt::print("memory  {} a rank\n", memory.text());
  std::fflush(stdout);
  agree(ranks, [&] { require_memory(backend, memory); });

  Steps steps(backend, config, catalogue);
  steps.run(options.warmup);
  const double first_loss =
      options.warmup > 0 ? steps.mean_loss(options.warmup * config.train.batch) : 0.0;
  ranks.time_on_device();
  ranks.reset_accounts();
  ranks.barrier();
  const auto began = std::chrono::steady_clock::now();
  steps.run(options.steps);
  const double mine =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ranks.between_steps();
  ranks.settle_accounts();
  const nlohmann::ordered_json exchanged = traffic(ranks, options.steps);
  const double per_step = slowest(ranks, mine) / static_cast<double>(options.steps);
  double exchange = 0.0;
  for (const auto& kind : exchanged) exchange += kind["seconds_per_step"].get<double>();
  return {{"command", command},
          {"commit", build_commit()},
          {"device", backend.name()},
          {"device_description", backend.description()},
          {"ranks", ranks.size()},
          {"transport", ranks.name()},
          {"model", config.model.name},
          {"embedding", scheme_label(config.embedding)},
          {"optimizer", config.train.optimizer},
          {"placement", describe_placement(ranks.size(), config, catalogue)},
          {"users", options.users},
          {"rows", options.rows},
          {"batch", config.train.batch},
          {"steps", options.steps},
          {"memory_bytes_per_rank", memory.total()},
          {"seconds_per_step", per_step},
          {"samples_per_second", static_cast<double>(config.train.batch) / per_step},
          {"exchange", exchanged},
          {"exchange_share", exchange / per_step},
          {"loss_warmup", first_loss},
          {"loss", steps.mean_loss(options.steps * config.train.batch)}};
}

void print(const nlohmann::ordered_json& result) {
  fmt::print("\n{:.0f} samples/s, {:.3f} ms a step, {:.0f}% of it in exchanges; loss {:.4f}\n",
             result["samples_per_second"].get<double>(),
             1e3 * result["seconds_per_step"].get<double>(),
             1e2 * result["exchange_share"].get<double>(), result["loss"].get<double>());
  if (result["ranks"] == 1) return;
  for (const auto& [kind, figures] : result["exchange"].items())
    fmt::print("{:<10}{:>12.1f} KiB a rank and step  {:>10.1f} us\n", kind,
               figures["bytes_per_step"].get<double>() / 1024,
               1e6 * figures["seconds_per_step"].get<double>());
}

void write(const std::string& path, const nlohmann::ordered_json& json) {
  if (path == "-")
    std::cout << json.dump(2) << std::endl;
  else if (!path.empty())
    write_file_atomically(path, json.dump(2) + "\n");
}

void run(Launch& launch, int argc, char** argv) {
  CLI::App app("Training steps on many ranks, large tables", "scaling");
  app.footer(kExamples);
  Options options;
  const auto number = [&](const char* name, int64_t& value, const char* help) {
    app.add_option(name, value, help)->capture_default_str()->check(CLI::PositiveNumber);
  };
  number("--rows", options.rows, "items");
  number("--users", options.users, "users");
  number("--steps", options.steps, "steps timed");
  app.add_option("--warmup", options.warmup, "steps before them")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--plan", options.plan,
                 "print memory and exchange of nodes=N,gpus=M[,link=GB/s]; N may be 1..8");
  app.add_option("--json", options.json, "write the figures to this file; - for stdout");
  const ConfigOptions config_options(
      app, ConfigBase::kDefaults,
      [](const auto& section, const auto&) { return section != "data"; });
  Config config;
  std::unique_ptr<Backend> backend;
  agree(launch.ranks(), [&] {
    parse_command_line(app, argc, argv);
    config = config_options.config();
    if (options.rows > INT32_MAX || options.users > INT32_MAX)
      input_error("--rows and --users end at ", INT32_MAX, ": ids are 32 bits wide");
    if (!config.embedding.budget.empty())
      input_error("--budget is for `mgqe train`, which says what sizes it finds: give those");
    if (find_backbone(config.model.name).batch != BatchKind::kPairs)
      input_error("scaling draws pairs, which --model ", config.model.name,
                  " does not train on: choose gmf or neumf");
    if (config.train.batch < launch.size())
      input_error("--batch ", config.train.batch, " is below the number of ranks, ", launch.size());
    if (options.plan.empty()) backend = make_backend(launch.device(config.run.device));
  });
  if (!options.plan.empty()) {
    if (launch.rank() > 0) return;
    const Catalogue catalogue{config.model.task == TaskKind::kRelevance ? 0 : options.users,
                              options.rows, 0.0};
    const auto plan = plan_exchange(ClusterSpec::parse(options.plan), config, catalogue);
    fmt::print("{}", plan_table(plan, config, catalogue));
    return write(options.json, {{"command", command_line(argc, argv)},
                                {"commit", build_commit()},
                                {"kind", "plan, not measured"},
                                {"rows", options.rows},
                                {"users", options.users},
                                {"batch", config.train.batch},
                                {"embedding", scheme_label(config.embedding)},
                                {"optimizer", config.train.optimizer},
                                {"plan", plan}});
  }
  launch.join(*backend);
  check_same(backend->communicator(), "build", build_commit());
  const nlohmann::ordered_json result =
      measure(*backend, config, options, command_line(argc, argv));
  if (launch.rank() > 0) return;
  print(result);
  write(options.json, result);
}

}  // namespace
}  // namespace mgqe::scaling

int main(int argc, char** argv) {
  return mgqe::run_ranks_main(
      "scaling", [&](mgqe::Launch& launch) { mgqe::scaling::run(launch, argc, argv); });
}

// The command line: describe, train, evaluate, inspect, report; prepare, convert, append, compact;
// recommend, serve.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>

#include "experiments/cli/cli.hpp"
#include "experiments/cli/derive_relevance.hpp"
#include "experiments/cli/describe.hpp"
#include "experiments/cli/train_checkpoints.hpp"
#include "experiments/cli/train_seeds.hpp"
#include "experiments/cli/unknown_words.hpp"
#include "experiments/cli/unread_options.hpp"
#include "experiments/prepare/prepare_command.hpp"
#include "experiments/prepare/summary.hpp"
#include "experiments/serving/append.hpp"
#include "experiments/serving/convert.hpp"
#include "experiments/serving/file_commands.hpp"
#include "experiments/serving/lookup_command.hpp"
#include "experiments/serving/recommend_command.hpp"
#include "experiments/serving/serve_command.hpp"
#include "experiments/serving/similar_command.hpp"
#include "host/base/interruption.hpp"
#include "host/base/version.hpp"
#include "host/comm/launch.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/dataset.hpp"
#include "host/io/artifact.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/inspect.hpp"
#include "host/io/console/logging.hpp"
#include "host/io/console/progress.hpp"
#include "host/io/console/run_table.hpp"
#include "host/io/run_lock.hpp"
#include "host/train/capacity_plan.hpp"
#include "host/train/trainer.hpp"
#include "host/train/warm_start.hpp"
#include "models/backbones/canonical.hpp"
#include "models/features/placement.hpp"

namespace mgqe {
namespace {

constexpr const char* kTrainExamples = R"(examples:
  mgqe train --data ml-1m --embedding full --out runs/full
  mgqe train --data ml-1m --embedding mgqe --subspaces 32 --centroids 256,64 --tiers 0.1 \
             --out runs/mgqe
  mgqe train --data interactions.csv --dim 32 --subspaces 8 --epochs 5 --out runs/mine
  mgqe train --data ml-1m --model sasrec --embedding dpq_vq --subspaces 16 --out runs/sasrec-dpq
  mgqe train --data ml-1m --model neumf --embedding mgqe --variant private_d \
             --subspaces 32,8 --tiers 0.1 --out runs/neumf-private
  mgqe train --task relevance --data steam --model gmf --embedding full --dim 32 --out runs/steam
  mgqe train --config runs/mgqe/result.json --seed 2 --out runs/mgqe-seed2
  mgqe train --config runs/mgqe/result.json --seeds 1..10 --out runs/mgqe-seeds

Defaults follow the backbone (shown here: gmf's): sasrec trains 200 epochs of 128 sequences with
--beta2 0.98, --negatives 1, --init-stddev 0.02 and is evaluated every 5 epochs. --task relevance
trains up to 100 epochs and stops after 5 evaluations without a better one.

writes result.json, metrics.jsonl, model.safetensors (the packed artifact of the best epoch) and
checkpoints/ to the folder of --out; a run that was stopped goes on with --resume)";

constexpr const char* kEvaluateExamples = R"(examples:
  mgqe evaluate --artifact runs/mgqe/model.safetensors
  mgqe evaluate --artifact runs/mgqe/model.safetensors --data ml-1m --device cpu --seed 1
  mgqe evaluate --artifact runs/clicks/model.safetensors --data tomorrow.ctr \
                --predictions tomorrow.csv

prints the "test" object of result.json; data, seed and device are the recorded ones unless given)";

void print_summary(const Task& task, const nlohmann::ordered_json& result) {
  const auto& size = result["size"];
  fmt::print("\n{}", task.summary(result["test"]));
  fmt::print("size    {:.2f}% of full: {} bits by formula, {} packed; file {} bytes\n",
             size["percent_of_full"].get<double>(), size["formula_bits"].get<int64_t>(),
             size["payload_bits"].get<int64_t>(), size["file_bytes"].get<int64_t>());
  if (size["percent_of_full"].get<double>() > 100.0)
    log().warn(
        "the tables take more than full ones would: codebooks, buckets and bases are for tables "
        "of many more rows than they have");
  fmt::print("best    epoch {} (*), written to {}\n", result["best_epoch"].get<int>(),
             result["config"]["run"]["out"].get<std::string>());
}

/// What must be the same on every rank.
std::string shared_config(const Config& config) {
  nlohmann::json json = to_json(config);
  json["run"].erase("device");
  json["run"].erase("out");
  return json.dump();
}

/// torchrun and its kin say by these that they started several processes. Each trains alone here.
void warn_of_other_launchers(const Launch& launch) {
  const char* const size = std::getenv("WORLD_SIZE");
  const bool several = size != nullptr && std::atoi(size) > 1;
  if (launch.size() == 1 && several && std::getenv("RANK") != nullptr)
    log().warn(
        "RANK and WORLD_SIZE={} are set, as torchrun does, and are not read: this process trains "
        "alone; several ranks are started by mpirun or srun",
        size);
}

void warn_of_full_fields(const Config& config, const Task& task) {
  const auto layout = task.catalogue().layout;
  if (layout == nullptr || config.embedding.scheme == "full") return;
  for (const FeatureGroup& group : layout->groups)
    if (group.embedding().scheme != "full") return;
  log().warn(
      "--embedding {}: no field has more than --full-rows {} rows, so that all tables are full",
      config.embedding.scheme, config.embedding.full_rows);
}

/// With the sizes that --budget gives, which are printed.
Config planned(Backend& backend, const Config& config) {
  const Interruption interruption;
  std::optional<Progress> bar;
  const auto progress = [&](const std::string& task, int64_t step, int64_t steps) {
    if (const int signal = interruption.signal(); signal != 0)
      throw Interrupted(signal, "the budget was not planned yet, and nothing is kept");
    if (!bar) {
      const int epochs = config.embedding.budget_warmup;
      fmt::print(
          "plan    full tables are trained for {} epoch{}, and one more measures their rows\n",
          epochs, epochs == 1 ? "" : "s");
      std::fflush(stdout);
      bar.emplace(task, steps);
    }
    bar->update(step);
  };
  const CapacityPlan plan = plan_capacity(backend, config, progress);
  bar.reset();
  fmt::print("{}", plan.text);
  return plan.config;
}

void train(Launch& launch, Config config, const CheckpointOptions& checkpoints,
           const std::string& command) {
  std::unique_ptr<Backend> backend;
  warn_of_other_launchers(launch);
  agree(launch.ranks(), [&] {
    if (config.run.out.empty()) input_error("--out is missing: name the folder for the results");
    if (config.train.batch < launch.size())
      input_error("--batch ", config.train.batch, " is below the number of ranks, ", launch.size());
    if (launch.rank() == 0) RunLock::require_free(config.run.out);
    check_warm_start(config, checkpoints.resume);
    backend = make_backend(launch.device(config.run.device));
  });
  launch.join(*backend);
  Communicator& ranks = backend->communicator();
  check_same(ranks, "build", build_commit());
  if (checkpoints.resume)
    agree(ranks, [&] { take_planned_sizes(std::filesystem::path(config.run.out), config); });
  if (!config.embedding.budget.empty() && !is_planned(config.embedding))
    agree(ranks, [&] { config = planned(*backend, config); });
  std::unique_ptr<Task> task;
  // Of a catalogue that is made it is known before how large its tables are.
  if (config.data.name == "synthetic" && config.model.task == TaskKind::kRanking)
    agree(ranks, [&] {
      const Catalogue made{config.data.synthetic_users, config.data.synthetic_items, 0.0};
      require_memory(*backend, plan_memory(ranks.size(), config, made));
    });
  agree(ranks, [&] { task = make_task(*backend, config); });
  if (launch.rank() == 0) warn_of_full_fields(config, *task);
  check_same(ranks, "configuration", shared_config(config));
  check_same(ranks, "data set", fmt::format("{:016x}", task->fingerprint()));
  agree(ranks,
        [&] { require_memory(*backend, plan_memory(ranks.size(), config, task->catalogue())); });
  const nlohmann::ordered_json result =
      Trainer(*backend, *task, config, command, checkpoints).run();
  if (ranks.leads()) print_summary(*task, result);
}

// ---- commands: each its options and what it does ------------------------------------------------

class TrainCommand {
 public:
  explicit TrainCommand(CLI::App& app)
      : command_(app.add_subcommand("train", "train a model and export it packed")),
        options_(*command_, ConfigBase::kDefaults, [](const auto&, const auto&) { return true; }),
        checkpoint_flags_(*command_),
        seeds_(*command_) {
    command_->footer(kTrainExamples);
  }

  bool given() const { return command_->parsed(); }

  /// Refuses what cannot be run, before any rank begins.
  void resolve_options(int ranks) {
    config_ = options_.config();
    if (!config_.embedding.budget.empty()) refuse_sizes_beside_budget(options_.given());
    checkpoints_ = checkpoint_flags_.options();
    several_seeds_ = seeds_.given(options_.given());
    if (several_seeds_ && ranks > 1)
      input_error("--seeds starts processes of its own: give one --seed to ", ranks, " ranks");
  }

  void run(Launch& launch, int argc, char** argv) const {
    const std::string command = command_line(argc, argv);
    if (launch.rank() == 0) warn_of_unread_options();
    run_until_interrupted(command, launch.rank() == 0, [&] {
      if (several_seeds_)
        seeds_.run(config_, {argv, argv + argc}, checkpoints_.resume);
      else
        train(launch, config_, checkpoints_, command);
    });
  }

 private:
  static void refuse_sizes_beside_budget(const nlohmann::json& given) {
    if (!given.contains("embedding")) return;
    for (const auto& [key, value] : given["embedding"].items())
      if (key.ends_with("centroids") || key.ends_with("tiers"))
        input_error("--budget finds centroids and tiers, so --centroids and --tiers exclude it");
  }

  void warn_of_unread_options() const {
    const std::vector<std::string> flags = unread_flags(options_.given(), config_);
    if (!flags.empty())
      log().warn("{}: nothing of --task {} --model {} --embedding {} reads {}",
                 fmt::join(flags, ", "), name_of(config_.model.task), config_.model.name,
                 config_.embedding.scheme, flags.size() == 1 ? "it" : "them");
  }

  CLI::App* command_;
  ConfigOptions options_;
  CheckpointFlags checkpoint_flags_;
  SeedsOptions seeds_;
  Config config_;
  CheckpointOptions checkpoints_;
  bool several_seeds_ = false;
};

class EvaluateCommand {
 public:
  explicit EvaluateCommand(CLI::App& app)
      : command_(app.add_subcommand("evaluate", "test a packed artifact; prints JSON")),
        artifact_option_(
            command_->add_option("--artifact", path_, "model.safetensors of a run")->required()),
        options_(*command_, ConfigBase::kRecorded, [](const auto& section, const auto& key) {
          return section == "data" || (section == "run" && key != "out");
        }) {
    command_->footer(kEvaluateExamples);
    command_
        ->add_option("--predictions", predictions_,
                     "ctr: a file for the label and the probability of every test row, in their "
                     "order (CSV)")
        ->type_name("FILE");
  }

  bool given() const { return command_->parsed(); }

  /// Ranks share the work, and each has the rows that --shard gives it of large tables.
  void run(Launch& launch) const {
    Artifact artifact;
    Config config;
    std::unique_ptr<Backend> backend;
    agree(launch.ranks(), [&] {
      artifact = read_artifact(path_);
      if (!predictions_.empty() && launch.size() > 1)
        input_error("--predictions are written by one process: start no ranks");
      if (const std::string defect = untrained_defect(artifact.model.task, artifact.config);
          !defect.empty())
        input_error(path_, " cannot be evaluated: ", defect);
      update_from_json(config, artifact.config, path_);
      config.run.seed = artifact.seed;
      config.run.device = artifact.device;
      update_from_json(config, options_.given(), "command line");
      resolve(config);
      validate(config);
      validate_backbone(config);
      if (!predictions_.empty()) require_predictions_file(config.data.name);
      backend = make_backend(launch.device(config.run.device));
    });
    launch.join(*backend);
    Communicator& ranks = backend->communicator();
    std::unique_ptr<Task> task;
    agree(ranks, [&] {
      task = make_task(*backend, config);
      if (!task->has_ids_of(artifact.data_fingerprint))
        input_error(path_, ": was trained on other data than --data ", config.data.name,
                    " gives here: its ids would not match; name the data it was trained on",
                    config.model.task == TaskKind::kCtr
                        ? ", or rows that `mgqe prepare --vocabulary-of` gave its ids"
                        : "");
      if (!task->has_features_of(artifact.fields))
        input_error(path_, ": was trained on other fields, or in another order, than --data ",
                    config.data.name, " has: prepare it anew by `mgqe prepare --overwrite`");
    });
    agree(ranks, [&] {
      require_memory(*backend, plan_evaluation(ranks.size(), config, task->catalogue()));
    });
    if (!predictions_.empty()) write_predictions(*task, artifact.model);
    const nlohmann::ordered_json figures = task->evaluate(artifact.model, Split::kTest).json;
    if (ranks.leads()) std::cout << figures.dump(2) << std::endl;
  }

 private:
  /// It is none of the files that are read, or that the cache of rows was made of.
  void require_predictions_file(const std::string& data) const {
    std::vector<std::string> read = {path_, data};
    if (is_ctr_cache(data)) {
      const CtrCache cache(data);
      for (const CachedSource& source : cache.index().sources) read.push_back(source.file);
    }
    require_output_file("--predictions", predictions_, read);
  }

  void write_predictions(Task& task, const PackedModel& model) const {
    AtomicFile file(predictions_);
    std::string lines = "label,probability\n";
    task.predict(model, Split::kTest, [&](auto logits, auto labels) {
      for (size_t i = 0; i < logits.size(); ++i)
        lines += fmt::format("{:.0f},{:.9g}\n", labels[i], 1.0 / (1.0 + std::exp(-logits[i])));
      file.write(lines.data(), lines.size());
      lines.clear();
    });
    file.commit();
  }

  CLI::App* command_;
  std::string path_, predictions_;
  CLI::Option* artifact_option_;  // before the others in the help
  ConfigOptions options_;
};

class InspectCommand {
 public:
  explicit InspectCommand(CLI::App& app)
      : command_(
            app.add_subcommand("inspect", "show what a file holds and the bytes of each part")) {
    command_->footer("example:\n  mgqe inspect runs/mgqe/model.safetensors");
    command_->add_option("file", path_, "an artifact, a checkpoint or a cache of rows")->required();
    command_->add_flag("--json", as_json_, "as JSON");
  }

  bool given() const { return command_->parsed(); }

  void run() const {
    if (is_ctr_cache(path_)) return show_cache();
    if (as_json_)
      std::cout << inspect_json(path_).dump(2) << std::endl;
    else
      std::cout << inspect(path_) << std::flush;
  }

 private:
  void show_cache() const {
    const CtrCache cache(path_);
    if (as_json_)
      std::cout << cache_summary_json(cache.index()).dump(2) << std::endl;
    else
      std::cout << cache_summary(cache.index()) << std::flush;
  }

  CLI::App* command_;
  std::string path_;
  bool as_json_ = false;
};

class ReportCommand {
 public:
  explicit ReportCommand(CLI::App& app)
      : command_(app.add_subcommand(
            "report", "one table of many runs; runs that differ by seed are averaged")) {
    command_->footer("example:\n  mgqe report runs/full runs/mgqe --markdown");
    command_->add_option("runs", runs_, "folders of runs, or result.json files")->required();
    command_->add_flag("--markdown", markdown_, "as a Markdown table");
  }

  bool given() const { return command_->parsed(); }
  void run() const {
    std::set<std::filesystem::path> seen;
    for (const std::string& run : runs_) {
      std::filesystem::path result = std::filesystem::weakly_canonical(run);
      if (std::filesystem::is_directory(result)) result /= "result.json";
      if (!seen.insert(std::filesystem::weakly_canonical(result)).second)
        input_error(run, ": is named twice, and would count as two runs");
    }
    for (const std::string& run : runs_) check(run);
    std::cout << report_table(read_results(runs_), canonical, markdown_) << std::flush;
  }

 private:
  /// Alone it makes a table, or is what is wrong.
  static void check(const std::string& run) {
    const auto results = read_results({run});
    try {
      report_table(results, canonical, false);
    } catch (const InputError& error) {
      input_error(run, ": ", error.what());
    } catch (const nlohmann::json::exception& error) {
      input_error(run, ": its result.json is not whole: ", error.what());
    }
  }

  CLI::App* command_;
  std::vector<std::string> runs_;
  bool markdown_ = false;
};

/// Added last: it explains the others.
class HelpCommand {
 public:
  static constexpr const char* kCommands =
      "train, evaluate, inspect, report, describe, derive-relevance, prepare, convert, append, "
      "compact, "
      "recommend, "
      "similar, lookup, verify, histories or serve";

  explicit HelpCommand(CLI::App& app)
      : app_(app), command_(app.add_subcommand("help", "explain a command and its options")) {
    command_->add_option("command", topic_, kCommands);
  }

  bool given() const { return command_->parsed(); }

  void run() const {
    const auto commands = app_.get_subcommands([](const CLI::App*) { return true; });
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const auto* known) { return known->get_name() == topic_; });
    if (!topic_.empty() && found == commands.end())
      input_error("help: no command ", topic_, ": ", kCommands);
    const CLI::App* wanted = topic_.empty() ? &app_ : *found;
    // Not app.help(): that would explain the command being run, which is `help`.
    const std::string before = topic_.empty() ? "" : app_.get_name();
    std::cout << app_.get_formatter()->make_help(wanted, before + " " + wanted->get_name(),
                                                 CLI::AppFormatMode::Normal)
              << std::flush;
  }

 private:
  CLI::App& app_;
  CLI::App* command_;
  std::string topic_;
};

void run(Launch& launch, int argc, char** argv) {
  CLI::App app("Multi-granular quantized embeddings: train, evaluate, export, serve", "mgqe");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("mgqe, built from commit ") + build_commit());
  TrainCommand train(app);
  const EvaluateCommand evaluate(app);
  const InspectCommand inspect(app);
  const ReportCommand report(app);
  const DescribeCommand describe(app);
  const DeriveRelevanceCommand derive(app);
  const PrepareCommand prepare(app);
  const ConvertCommand convert(app);
  const AppendCommand append(app);
  const CompactCommand compact(app);
  const RecommendCommand recommend(app);
  const SimilarCommand similar(app);
  const LookupCommand lookup(app);
  const VerifyCommand verify(app);
  const HistoriesCommand histories(app);
  const ServeCommand serve(app);
  const HelpCommand help(app);

  if (launch.rank() > 0) log().set_level(spdlog::level::off);  // rank 0 says it
  agree(launch.ranks(), [&] {
    check_command(app, argc, argv, HelpCommand::kCommands);
    parse_command_line(app, argc, argv);
    if (train.given()) check_text(argc, argv);
    if (train.given()) train.resolve_options(launch.size());
  });
  if (train.given()) train.run(launch, argc, argv);
  if (evaluate.given()) evaluate.run(launch);
  if (inspect.given()) inspect.run();
  if (report.given()) report.run();
  if (describe.given()) describe.run();
  if (derive.given()) derive.run();
  if (prepare.given()) prepare.run();
  if (convert.given()) convert.run();
  if (append.given()) append.run();
  if (compact.given()) compact.run();
  if (recommend.given()) recommend.run();
  if (similar.given()) similar.run();
  if (lookup.given()) lookup.run();
  if (verify.given()) verify.run();
  if (histories.given()) histories.run();
  if (serve.given()) serve.run();
  if (help.given()) help.run();
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout)
    input_error("standard output could not be written: ", system_message(errno));
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_ranks_main("mgqe", [&](mgqe::Launch& launch) { mgqe::run(launch, argc, argv); });
}

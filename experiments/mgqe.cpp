// The command line: train, evaluate, inspect, report.
#include <iostream>

#include "experiments/cli.hpp"
#include "host/data/dataset.hpp"
#include "host/io/artifact.hpp"
#include "host/io/inspect.hpp"
#include "host/io/logging.hpp"
#include "host/io/report.hpp"
#include "host/train/trainer.hpp"

namespace mgqe {
namespace {

constexpr const char* kTrainExamples = R"(examples:
  mgqe train --data ml-1m --embedding full --out runs/full
  mgqe train --data ml-1m --embedding mgqe --subspaces 32 --centroids 256,64 --tiers 0.1 \
             --out runs/mgqe
  mgqe train --data interactions.csv --dim 32 --subspaces 8 --epochs 5 --out runs/mine
  mgqe train --config runs/mgqe/result.json --seed 2 --out runs/mgqe-seed2

writes result.json, metrics.jsonl, model.safetensors (the packed artifact of the best epoch) and
checkpoint.safetensors to the folder of --out)";

constexpr const char* kEvaluateExamples = R"(examples:
  mgqe evaluate --artifact runs/mgqe/model.safetensors
  mgqe evaluate --artifact runs/mgqe/model.safetensors --data ml-1m --device cpu --seed 1

prints the "test" object of result.json; data, seed and device are the recorded ones unless given)";

void print_summary(const nlohmann::ordered_json& result) {
  const auto print_protocol = [&](const char* protocol) {
    const auto& metrics = result["test"][protocol];
    fmt::print(
        "test    {:<8} HR@10 {:.4f}  NDCG@10 {:.4f}  (HR@10 of head items {:.4f}, tail {:.4f})\n",
        protocol, metrics["hr@10"].get<double>(), metrics["ndcg@10"].get<double>(),
        metrics["head"]["hr@10"].get<double>(), metrics["tail"]["hr@10"].get<double>());
  };
  const auto& size = result["size"];
  fmt::print("\n");
  print_protocol("sampled");
  print_protocol("full");
  fmt::print("size    {:.2f}% of full: {} bits by formula, {} packed; file {} bytes\n",
             size["percent_of_full"].get<double>(), size["formula_bits"].get<int64_t>(),
             size["payload_bits"].get<int64_t>(), size["file_bytes"].get<int64_t>());
  fmt::print("best    epoch {} (*), written to {}\n", result["best_epoch"].get<int>(),
             result["config"]["run"]["out"].get<std::string>());
}

void train(const Config& given, const std::string& command) {
  Config config = given;
  if (config.run.out.empty()) input_error("--out is missing: name the folder for the results");
  const std::unique_ptr<Backend> backend = make_backend(config.run.device);
  const Dataset dataset = load_dataset(config.data, *backend);
  if (config.data.name == "auto") {
    config.data.name = dataset.name;
    if (dataset.name == "synthetic")
      log().warn("no MovieLens-1M here, so the data is synthetic: see experiments/fetch_data.sh");
  }
  if (dataset.short_users > 0)
    log().warn("{} users have too few actions to hold one out: they train and are not evaluated",
               dataset.short_users);
  Trainer trainer(*backend, dataset, config, command);
  const auto result = trainer.run();
  print_summary(result);
}

void evaluate(const std::string& path, const nlohmann::json& flags) {
  const Artifact artifact = read_artifact(path);
  Config config;
  update_from_json(config, artifact.config, path);
  config.run.seed = artifact.seed;
  config.run.device = artifact.device;
  update_from_json(config, flags, "command line");
  validate(config);
  const std::unique_ptr<Backend> backend = make_backend(config.run.device);
  const Dataset dataset = load_dataset(config.data, *backend);
  if (dataset.fingerprint != artifact.data_fingerprint)
    input_error(path, ": was trained on other data than --data ", config.data.name,
                " gives here: its ids would not match; name the data it was trained on");
  const auto ranker = make_ranker(*backend, artifact.model);
  Evaluator evaluator(*backend, dataset, evaluator_options(config.run));
  std::cout << to_json(evaluator.evaluate(*ranker, Split::kTest)).dump(2) << std::endl;
}

void run(int argc, char** argv) {
  CLI::App app("Multi-granular quantized embeddings: train, evaluate, export", "mgqe");
  app.require_subcommand(1);

  CLI::App* train_command = app.add_subcommand("train", "train a model and export it packed");
  train_command->footer(kTrainExamples);
  const ConfigOptions train_options(*train_command, ConfigBase::kDefaults,
                                    [](const auto&, const auto&) { return true; });

  CLI::App* evaluate_command =
      app.add_subcommand("evaluate", "test a packed artifact; prints JSON");
  evaluate_command->footer(kEvaluateExamples);
  std::string artifact;
  evaluate_command->add_option("--artifact", artifact, "model.safetensors of a run")->required();
  const ConfigOptions evaluate_options(
      *evaluate_command, ConfigBase::kRecorded, [](const auto& section, const auto& key) {
        return section == "data" || (section == "run" && key != "out");
      });

  CLI::App* inspect_command =
      app.add_subcommand("inspect", "show what a file holds and the bytes of each part");
  inspect_command->footer("example:\n  mgqe inspect runs/mgqe/model.safetensors");
  std::string inspected;
  bool inspect_as_json = false;
  inspect_command->add_option("file", inspected, "an artifact or a checkpoint")->required();
  inspect_command->add_flag("--json", inspect_as_json, "as JSON");

  CLI::App* report_command =
      app.add_subcommand("report", "one table of many runs; runs that differ by seed are averaged");
  report_command->footer("example:\n  mgqe report runs/full runs/mgqe --markdown");
  std::vector<std::string> reported;
  bool markdown = false;
  report_command->add_option("runs", reported, "folders of runs, or result.json files")->required();
  report_command->add_flag("--markdown", markdown, "as a Markdown table");

  CLI::App* help_command = app.add_subcommand("help", "explain a command and its options");
  std::string topic;
  help_command->add_option("command", topic, "train, evaluate, inspect or report");

  parse_command_line(app, argc, argv);
  if (*train_command) train(train_options.config(), command_line(argc, argv));
  if (*evaluate_command) evaluate(artifact, evaluate_options.given());
  if (*inspect_command) {
    if (inspect_as_json)
      std::cout << inspect_json(inspected).dump(2) << std::endl;
    else
      std::cout << inspect(inspected) << std::flush;
  }
  if (*report_command) std::cout << report_table(read_results(reported), markdown) << std::flush;
  if (*help_command) {
    const bool known = topic == "train" || topic == "evaluate" || topic == "inspect" ||
                       topic == "report" || topic.empty();
    if (!known) input_error("help: no command ", topic, ": train, evaluate, inspect or report");
    // Not app.help(): that would explain the command being run, which is `help`.
    const CLI::App* wanted = topic.empty() ? &app : app.get_subcommand(topic);
    const std::string before = topic.empty() ? "" : app.get_name();
    std::cout << app.get_formatter()->make_help(wanted, before + " " + wanted->get_name(),
                                                CLI::AppFormatMode::Normal)
              << std::flush;
  }
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("mgqe", [&] { mgqe::run(argc, argv); });
}

#include "host/train/trainer.hpp"

#include <chrono>
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "host/comm/launch.hpp"
#include "host/core/numerics.hpp"
#include "host/core/range.hpp"
#include "host/core/version.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/logging.hpp"
#include "host/io/metrics_log.hpp"
#include "host/io/progress.hpp"
#include "host/io/safetensors.hpp"
#include "models/placement.hpp"

namespace mgqe {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

nlohmann::ordered_json to_json(const std::map<std::string, std::vector<TierReport>>& tables) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, tiers] : tables)
    for (const TierReport& tier : tiers)
      json[name].push_back({{"rows", tier.rows},
                            {"centroids", tier.centroids},
                            {"perplexity", tier.perplexity},
                            {"unused_centroids", tier.unused_centroids},
                            {"mean_squared_error", tier.mean_squared_error}});
  return json;
}

}  // namespace

Trainer::Trainer(Backend& backend, Task& task, const Config& config, std::string command)
    : backend_(backend),
      task_(task),
      config_(config),
      command_(std::move(command)),
      out_(config.run.out),
      loop_(backend, task, config) {}

void Trainer::print_header() const {
  fmt::print("data    {}, {} training examples an epoch\n", task_.description(),
             loop_.examples_per_epoch());
  fmt::print("model   {} with embeddings {}, seed {}\n", config_.model.name,
             scheme_label(config_.embedding), config_.run.seed);
  if (const std::string options = options_beyond_paper(config_.embedding); !options.empty())
    fmt::print("options {}\n", options);
  fmt::print("device  {}: {}\n", backend_.name(), backend_.description());
  if (const Communicator& ranks = backend_.communicator(); !ranks.alone())
    fmt::print("ranks   {} by {}; {}\n", ranks.size(), ranks.name(),
               describe_placement(ranks.size(), config_, task_.catalogue()));
  fmt::print("\n");
  fmt::print("{:>5}  {:>8}", "epoch", "loss");
  for (const std::string& column : task_.columns()) fmt::print("  {:>13}", column);
  fmt::print("  {:>12}\n", "examples/s");
  std::fflush(stdout);
}

void Trainer::print_epoch(int epoch, double examples_per_second) const {
  fmt::print("{:>5}  {:>8.4f}", epoch, train_loss_.back());
  for (const double value : last_judgement_.columns) fmt::print("  {:>13.4f}", value);
  fmt::print("  {:>12.0f}{}\n", examples_per_second, best_.epoch == epoch ? "  *" : "");
  std::fflush(stdout);
}

nlohmann::ordered_json Trainer::run() {
  Communicator& ranks = backend_.communicator();
  std::optional<MetricsLog> metrics;  // files are rank 0's
  agree(ranks, [&] {
    if (!ranks.leads()) return;
    ensure_writable_directory(out_);
    metrics.emplace(out_ / "metrics.jsonl");
  });
  print_header();
  const TrainConfig& train = config_.train;
  Progress progress(train.epochs, loop_.steps_per_epoch());
  int without_better = 0;  // evaluations since the best one
  for (int epoch = 1; epoch <= train.epochs; ++epoch) {
    train_epoch(epoch, progress);
    if (epoch % train.evaluate_every != 0 && epoch != train.epochs) continue;
    evaluate_epoch(epoch);
    if (metrics) metrics->append(epoch_record(epoch));
    progress.clear();
    warn_of_collapse();
    print_epoch(epoch, examples_per_second());
    without_better = best_.epoch == epoch ? 0 : without_better + 1;
    if (train.patience > 0 && without_better >= train.patience) break;
  }

  // The test figures come from the packed model, as `mgqe evaluate` computes them.
  const Stopwatch watch;
  const Judgement test = task_.evaluate(best_.model, Split::kTest);
  evaluate_seconds_ += watch.seconds();

  if (!ranks.leads()) return {};
  const SizeReport size = write_artifact(out_ / "model.safetensors", make_artifact());
  write_safetensors(out_ / "checkpoint.safetensors", loop_.checkpoint_arrays(),
                    {{"format", "mgqe-checkpoint"},
                     {"version", "1"},
                     {"config", mgqe::to_json(config_).dump()},
                     {"epoch", std::to_string(train_loss_.size())}});
  nlohmann::ordered_json result = make_result(size, test);
  write_file_atomically(out_ / "result.json", result.dump(2) + "\n");
  return result;
}

void Trainer::train_epoch(int epoch, Progress& progress) {
  const Stopwatch watch;
  const Range range(backend_, "epoch");
  progress.begin_epoch(epoch);
  loop_.begin_epoch(epoch);
  const int64_t steps = loop_.steps_per_epoch();
  for (int64_t step = 0; step < steps; progress.update(step)) step += loop_.advance(steps - step);
  backend_.communicator().between_steps();
  train_loss_.push_back(loop_.mean_loss());
  train_seconds_ += watch.seconds();
  if (!std::isfinite(train_loss_.back())) {
    progress.clear();
    refuse_loss(epoch);
  }
}

/// The loss is that of all ranks, so they all come here.
void Trainer::refuse_loss(int epoch) {
  std::string name;
  loop_.model().visit([&](const std::string& array, Tensor<float>& tensor) {
    const std::vector<float> values = tensor.to_host();
    const bool finite = std::all_of(values.begin(), values.end(),
                                    [](float value) { return std::isfinite(value); });
    if (!finite && name.empty()) name = array;
  });
  std::string where;
  const std::vector<std::string> names = backend_.communicator().gather(name);
  for (size_t r = 0; r < names.size() && where.empty(); ++r)
    if (!names[r].empty())
      where = fmt::format(", {}{} among others", names[r],
                          names.size() > 1 ? fmt::format(" of rank {}", r) : "");
  throw AgreedError(fmt::format(
      "training loss is not finite in epoch {} of {}{} (--lr {}): lower --lr or --init-stddev",
      epoch, config_.train.epochs, where, config_.train.lr));
}

void Trainer::evaluate_epoch(int epoch) {
  const Stopwatch watch;
  const Range range(backend_, "evaluation");
  PackedModel packed = loop_.model().pack();
  last_judgement_ = task_.evaluate(packed, task_.selection());
  evaluate_seconds_ += watch.seconds();
  if (best_.epoch == 0 || last_judgement_.score > best_.judgement.score)
    best_ = {epoch, std::move(packed), loop_.model().tier_reports(), last_judgement_};
}

void Trainer::warn_of_collapse() {
  for (const auto& [table, tiers] : loop_.model().tier_reports())
    for (size_t tier = 0; tier < tiers.size(); ++tier) {
      if (!tiers[tier].collapsed()) continue;
      const std::string name = fmt::format("{}, tier {}", table, tier);
      if (!warned_.insert(name).second) continue;
      log().warn("the codes of table {} have collapsed: perplexity {:.1f} of {} centroids", name,
                 tiers[tier].perplexity, tiers[tier].centroids);
    }
}

double Trainer::examples_per_second() const {
  return static_cast<double>(loop_.examples_per_epoch()) * static_cast<double>(train_loss_.size()) /
         train_seconds_;
}

Artifact Trainer::make_artifact() const {
  Artifact artifact;
  artifact.model = best_.model;
  artifact.ids = task_.ids();
  artifact.config = mgqe::to_json(config_);
  artifact.seed = config_.run.seed;
  artifact.best_epoch = best_.epoch;
  artifact.data_fingerprint = task_.fingerprint();
  artifact.commit = build_commit();
  artifact.device = backend_.name();
  return artifact;
}

nlohmann::ordered_json Trainer::epoch_record(int epoch) {
  return {{"epoch", epoch},
          {"train_loss", train_loss_.back()},
          {selection_name(), last_judgement_.json},
          {"quantizer", to_json(loop_.model().tier_reports())},
          {"samples_per_second", examples_per_second()},
          {"seconds", {{"train", train_seconds_}, {"evaluate", evaluate_seconds_}}}};
}

nlohmann::ordered_json Trainer::make_result(const SizeReport& size, const Judgement& test) const {
  nlohmann::ordered_json data = task_.data();
  data["training_examples_per_epoch"] = loop_.examples_per_epoch();
  data["fingerprint"] = fmt::format("{:016x}", task_.fingerprint());
  nlohmann::ordered_json result = {
      {"command", command_},
      {"commit", build_commit()},
      {"numerics_version", kNumericsVersion},
      {"device", backend_.name()},
      {"device_description", backend_.description()},
      {"ranks", backend_.communicator().size()},
      {"seed", config_.run.seed},
      {"config", mgqe::to_json(config_)},
      {"data", data},
      {"selection", selection_name()},
      {"best_epoch", best_.epoch},
      {"epochs", train_loss_.size()},
      {"valid", nullptr},
      {"test", test.json},
      {"size", to_json(size)},
      {"quantizer", to_json(best_.tiers)},
      {"train_loss", train_loss_},
      {"seconds", {{"train", train_seconds_}, {"evaluate", evaluate_seconds_}}},
      {"samples_per_second", examples_per_second()}};
  if (task_.selection() == Split::kValid) result["valid"] = best_.judgement.json;
  return result;
}

}  // namespace mgqe

#include "host/train/trainer.hpp"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "host/core/version.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/metrics_log.hpp"
#include "host/io/progress.hpp"
#include "host/io/safetensors.hpp"

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

OriginalIds original_ids(const IdMap& map) { return {map.integers, map.strings}; }

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

void print_header(const Dataset& dataset, const Config& config, const Backend& backend,
                  int64_t pairs) {
  fmt::print("data    {}: {} users, {} items, {} actions, {} training pairs an epoch\n",
             dataset.name, dataset.users, dataset.items, dataset.actions, pairs);
  fmt::print("model   {} with {} embeddings, d = {}, seed {}\n", config.model.name,
             config.embedding.scheme, config.embedding.dim, config.run.seed);
  fmt::print("device  {}: {}\n\n", backend.name(), backend.description());
  fmt::print("{:>5}  {:>8}  {:>10}  {:>10}  {:>13}  {:>10}\n", "epoch", "loss", "HR@10", "NDCG@10",
             "sampled HR@10", "samples/s");
  std::fflush(stdout);
}

}  // namespace

EvaluatorOptions evaluator_options(const RunConfig& config) {
  return {config.seed, config.candidates, config.evaluate_users};
}

Trainer::Trainer(Backend& backend, const Dataset& dataset, const Config& config,
                 std::string command)
    : backend_(backend),
      dataset_(dataset),
      config_(config),
      command_(std::move(command)),
      out_(config.run.out),
      loop_(backend, dataset, config),
      evaluator_(backend, dataset, evaluator_options(config.run)),
      selection_(dataset.has_validation ? Split::kValid : Split::kTest) {}

nlohmann::ordered_json Trainer::run() {
  ensure_writable_directory(out_);
  MetricsLog metrics(out_ / "metrics.jsonl");
  print_header(dataset_, config_, backend_, loop_.pairs_per_epoch());
  Progress progress(config_.train.epochs, loop_.steps_per_epoch());
  for (int epoch = 1; epoch <= config_.train.epochs; ++epoch) {
    train_epoch(epoch, progress);
    evaluate_epoch(epoch);
    const auto record = epoch_record(epoch, last_evaluation_);
    metrics.append(record);
    progress.clear();
    fmt::print("{:>5}  {:>8.4f}  {:>10.4f}  {:>10.4f}  {:>13.4f}  {:>10.0f}{}\n", epoch,
               train_loss_.back(), last_evaluation_.full.all.hr, last_evaluation_.full.all.ndcg,
               last_evaluation_.sampled.all.hr, record["samples_per_second"].get<double>(),
               best_.epoch == epoch ? "  *" : "");
    std::fflush(stdout);
  }

  // The test figures come from the packed model, as `mgqe evaluate` computes them.
  const Stopwatch watch;
  const auto ranker = make_ranker(backend_, best_.model);
  const Evaluation test = evaluator_.evaluate(*ranker, Split::kTest);
  evaluate_seconds_ += watch.seconds();

  const SizeReport size = write_artifact(out_ / "model.safetensors", make_artifact());
  write_safetensors(out_ / "checkpoint.safetensors", loop_.checkpoint_arrays(),
                    {{"format", "mgqe-checkpoint"},
                     {"version", "1"},
                     {"config", mgqe::to_json(config_).dump()},
                     {"epoch", std::to_string(config_.train.epochs)}});
  nlohmann::ordered_json result = make_result(size, test);
  write_file_atomically(out_ / "result.json", result.dump(2) + "\n");
  return result;
}

void Trainer::train_epoch(int epoch, Progress& progress) {
  const Stopwatch watch;
  progress.begin_epoch(epoch);
  loop_.begin_epoch(epoch);
  const int64_t steps = loop_.steps_per_epoch();
  for (int64_t step = 1; step <= steps; ++step) {
    loop_.step();
    progress.update(step);
  }
  train_loss_.push_back(loop_.mean_loss());
  train_seconds_ += watch.seconds();
  if (!std::isfinite(train_loss_.back())) {
    progress.clear();
    input_error("training loss is not finite in epoch ", epoch, " of ", config_.train.epochs,
                " (--lr ", config_.train.lr, "): lower --lr or --init-stddev");
  }
}

void Trainer::evaluate_epoch(int epoch) {
  const Stopwatch watch;
  PackedModel packed = loop_.model().pack();
  const auto ranker = make_ranker(backend_, packed);
  last_evaluation_ = evaluator_.evaluate(*ranker, selection_);
  evaluate_seconds_ += watch.seconds();
  const double score = selection_ == Split::kValid ? last_evaluation_.full.all.ndcg
                                                   : last_evaluation_.sampled.all.hr;
  if (best_.epoch == 0 || score > best_.score)
    best_ = {epoch, score, std::move(packed), loop_.model().tier_reports(), last_evaluation_};
}

Artifact Trainer::make_artifact() const {
  Artifact artifact;
  artifact.model = best_.model;
  artifact.ids = {{"user", original_ids(dataset_.user_ids)},
                  {"item", original_ids(dataset_.item_ids)}};
  artifact.config = mgqe::to_json(config_);
  artifact.seed = config_.run.seed;
  artifact.best_epoch = best_.epoch;
  artifact.data_fingerprint = dataset_.fingerprint;
  artifact.commit = build_commit();
  artifact.device = backend_.name();
  return artifact;
}

nlohmann::ordered_json Trainer::epoch_record(int epoch, const Evaluation& evaluation) {
  const double samples = static_cast<double>(loop_.pairs_per_epoch()) * epoch;
  return {{"epoch", epoch},
          {"train_loss", train_loss_.back()},
          {selection_ == Split::kValid ? "valid" : "test", to_json(evaluation)},
          {"quantizer", to_json(loop_.model().tier_reports())},
          {"samples_per_second", samples / train_seconds_},
          {"seconds", {{"train", train_seconds_}, {"evaluate", evaluate_seconds_}}}};
}

nlohmann::ordered_json Trainer::make_result(const SizeReport& size, const Evaluation& test) const {
  const double samples = static_cast<double>(loop_.pairs_per_epoch()) * config_.train.epochs;
  nlohmann::ordered_json result = {
      {"command", command_},
      {"commit", build_commit()},
      {"device", backend_.name()},
      {"device_description", backend_.description()},
      {"seed", config_.run.seed},
      {"config", mgqe::to_json(config_)},
      {"data",
       {{"name", dataset_.name},
        {"users", dataset_.users},
        {"items", dataset_.items},
        {"actions", dataset_.actions},
        {"training_pairs_per_epoch", loop_.pairs_per_epoch()}}},
      {"selection", selection_ == Split::kValid ? "valid" : "test"},
      {"best_epoch", best_.epoch},
      {"valid", nullptr},
      {"test", to_json(test)},
      {"size", to_json(size)},
      {"quantizer", to_json(best_.tiers)},
      {"train_loss", train_loss_},
      {"seconds", {{"train", train_seconds_}, {"evaluate", evaluate_seconds_}}},
      {"samples_per_second", samples / train_seconds_}};
  if (selection_ == Split::kValid) result["valid"] = to_json(best_.evaluation);
  return result;
}

}  // namespace mgqe

#include "host/train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "host/base/numerics.hpp"
#include "host/base/version.hpp"
#include "host/comm/launch.hpp"
#include "host/engine/profile_range.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/logging.hpp"
#include "host/io/console/metrics_log.hpp"
#include "host/io/console/progress.hpp"
#include "host/packed/dense_arrays.hpp"
#include "host/train/user_hits.hpp"
#include "host/train/warm_start.hpp"
#include "models/features/placement.hpp"

namespace mgqe {
namespace {

/// Adds the time it lives to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { lap(); }

  /// Brings the sum up to date.
  void lap() {
    const auto now = Clock::now();
    seconds_ += std::chrono::duration<double>(now - began_).count();
    began_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  Clock::time_point began_ = Clock::now();
};

DType served_type(DenseType type) {
  if (type == DenseType::kF32) return DType::kF32;
  return type == DenseType::kBf16 ? DType::kBf16 : DType::kI8;
}

constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kResult = "result.json";
constexpr const char* kModel = "model.safetensors";
constexpr const char* kMetrics = "metrics.jsonl";

}  // namespace

Trainer::Trainer(Backend& backend, Task& task, const Config& config, std::string command,
                 const CheckpointOptions& checkpoints)
    : backend_(backend),
      ranks_(backend.communicator()),
      task_(task),
      config_(config),
      command_(std::move(command)),
      out_(config.run.out),
      checkpoint_options_(checkpoints),
      loop_(backend, task, config) {}

void Trainer::print_header(const std::string& resumed) const {
  fmt::print("data    {}, {} training examples an epoch\n", task_.description(),
             loop_.examples_per_epoch());
  if (const std::string reading = task_.reading(); !reading.empty())
    fmt::print("read    {}\n", reading);
  fmt::print("model   {} with embeddings {}, seed {}\n", config_.model.name,
             scheme_label(config_.embedding), config_.run.seed);
  if (const std::string options = options_beyond_paper(config_.embedding); !options.empty())
    fmt::print("options {}\n", options);
  fmt::print("device  {}: {}\n", backend_.name(), backend_.description());
  if (!ranks_.alone())
    fmt::print("ranks   {} by {}; {}\n", ranks_.size(), ranks_.name(),
               describe_placement(ranks_.size(), config_, task_.catalogue()));
  if (!config_.train.warm_start.empty() && loop_.steps() == 0)
    fmt::print("start   at the rows and layers of {}\n", config_.train.warm_start);
  if (!resumed.empty()) fmt::print("resume  {}\n", resumed);
  fmt::print("\n{:>5}  {:>8}", "epoch", "loss");
  for (const std::string& column : task_.columns()) fmt::print("  {:>13}", column);
  fmt::print("  {:>12}\n", "examples/s");
  std::fflush(stdout);
}

void Trainer::print_epoch(int epoch, double examples_per_second) const {
  fmt::print("{:>5}  {:>8.4f}", epoch, state_.train_loss.back());
  for (const double value : last_evaluation_.columns)
    fmt::print("  {:>13}", std::isnan(value) ? "-" : fmt::format("{:.4f}", value));
  fmt::print("  {:>12.0f}{}\n", examples_per_second, state_.best.epoch == epoch ? "  *" : "");
  std::fflush(stdout);
}

nlohmann::ordered_json Trainer::run() {
  agree(ranks_, [&] {
    if (!ranks_.leads()) return;
    ensure_writable_directory(out_);
    lock_.emplace(out_);
    for (const char* name : {kResult, kModel, kMetrics}) remove_leftovers(out_ / name);
  });
  const std::string resumed = resume();
  kept_epochs_ = state_.epochs_done();
  if (!config_.train.warm_start.empty() && loop_.steps() == 0)
    agree(ranks_, [&] { warm_start(backend_, config_, task_, loop_.model()); });
  print_header(resumed);
  if (ranks_.leads()) warn_of_older_run();
  checkpointer_.emplace(ranks_, out_ / kCheckpoints, checkpoint_options_, loop_.steps());
  Progress progress(config_.train.epochs, loop_.steps_per_epoch());
  while (!done()) {
    const int epoch = state_.epochs_done() + 1;
    train_epoch(epoch, progress);
    if (epoch % config_.train.evaluate_every == 0 || epoch == config_.train.epochs) {
      evaluate_epoch(epoch);
      report_epoch(epoch, progress);
    }
    if (!done()) between_steps(progress);
  }
  make_way();
  checkpointer_->begin([this] { return take_checkpoint(); });

  // The test figures come from what the artifact holds, as `mgqe evaluate` computes them.
  Stopwatch watch(state_.evaluate_seconds);
  const EvaluationResult test = task_.evaluate(upload(backend_, state_.best.model), Split::kTest);
  watch.lap();

  // Where the disk has no room for it, it may have for what the run was for.
  std::string lost;
  try {
    checkpointer_->finish();
  } catch (const InputError& error) {
    lost = error.what();
  }
  const Artifact artifact = make_artifact();
  if (!ranks_.leads()) return {};
  const SizeReport size = write_artifact(out_ / kModel, artifact);
  nlohmann::ordered_json result = make_result(size, test);
  write_file_atomically(out_ / kResult, result.dump(2) + "\n");
  if (!lost.empty())
    log().warn(
        "the run is whole but for its last checkpoint, from which more --epochs would go on: {}",
        lost);
  return result;
}

bool Trainer::done() const {
  const TrainConfig& train = config_.train;
  return state_.epochs_done() >= train.epochs ||
         (train.patience > 0 && state_.without_better >= train.patience);
}

void Trainer::train_epoch(int epoch, Progress& progress) {
  Stopwatch watch(state_.train_seconds);
  const ProfileRange range(backend_, "epoch");
  if (loop_.epoch() != epoch) {  // else it was resumed within
    loop_.set_rate_factor(state_.rate_factor);
    loop_.begin_epoch(epoch);
  }
  progress.begin_epoch(epoch, loop_.epoch_steps());
  const int64_t steps = loop_.steps_per_epoch();
  while (loop_.epoch_steps() < steps) {
    loop_.advance(checkpointer_->steps_to_due(loop_.steps(), steps - loop_.epoch_steps()));
    progress.update(loop_.epoch_steps());
    // At the end of an epoch a checkpoint waits for the evaluation, a signal does not; ranks, which
    // may not all have had it yet, ask each other after that.
    const bool signalled = ranks_.alone() && interruption_.signal() != 0;
    if (loop_.epoch_steps() == steps && !signalled) break;
    watch.lap();
    between_steps(progress);
  }
  ranks_.between_steps();
  const double loss = loop_.mean_loss();
  watch.lap();
  check_finite(loss);
  state_.train_loss.push_back(loss);
}

/// The loss is that of all ranks, so they all come here with the same.
void Trainer::check_finite(double loss) {
  if (std::isfinite(loss)) return;
  std::string name;
  loop_.model().visit([&]<class T>(const std::string& array, Tensor<T>& tensor) {
    const std::vector<T> values = tensor.to_host();
    const bool finite = std::all_of(values.begin(), values.end(),
                                    [](T value) { return std::isfinite(to_float(value)); });
    if (!finite && name.empty()) name = array;
  });
  std::string where;
  const std::vector<std::string> names = ranks_.gather(name);
  for (size_t r = 0; r < names.size() && where.empty(); ++r)
    if (!names[r].empty())
      where = fmt::format(": {}{} is not", names.size() > 1 ? fmt::format("on rank {}, ", r) : "",
                          names[r]);
  throw AgreedError(
      fmt::format("training loss is not finite in epoch {} of {}{} (--lr {}): lower --lr or "
                  "--init-stddev",
                  loop_.epoch(), config_.train.epochs, where, config_.train.lr));
}

void Trainer::evaluate_epoch(int epoch) {
  const Stopwatch watch(state_.evaluate_seconds);
  const ProfileRange range(backend_, "evaluation");
  DevicePackedModel packed = loop_.model().pack();
  narrow_dense(packed.dense, served_type(config_.model.dense_type));
  last_evaluation_ = task_.evaluate(packed, task_.selection());
  RunState::Best& best = state_.best;
  ++state_.without_better;
  if (best.epoch > 0 && !(last_evaluation_.score > best.evaluation.score)) {
    if (state_.without_better % config_.train.lr_patience == 0)
      state_.rate_factor *= config_.train.lr_decay;
    return;
  }
  best = {epoch, download(packed), loop_.model().tier_reports(), last_evaluation_};
  state_.without_better = 0;
}

void Trainer::report_epoch(int epoch, Progress& progress) {
  make_way();
  if (metrics_) metrics_->append(epoch_record(epoch));
  progress.clear();
  warn_of_collapse();
  print_epoch(epoch, examples_per_second());
}

// ---- checkpoints --------------------------------------------------------------------------------

void Trainer::between_steps(Progress& progress) {
  const auto [signal, due] = checkpointer_->consult(loop_.steps(), interruption_.signal(),
                                                    loop_.epoch_steps() == loop_.steps_per_epoch());
  if (signal == 0 && !due) return;
  make_way();
  checkpointer_->begin([this] { return take_checkpoint(); });
  if (signal == 0) return;
  progress.clear();
  checkpointer_->finish();
  throw Interrupted(
      signal, fmt::format("step {}, in epoch {} of {}, is kept in {}", loop_.steps(), loop_.epoch(),
                          config_.train.epochs, (out_ / kCheckpoints).string()));
}

Checkpoint Trainer::take_checkpoint() {
  state_.position = loop_.position();
  const std::vector<double>& sums = state_.position.loss_sums;
  check_finite(std::accumulate(sums.begin(), sums.end(), 0.0));
  Checkpoint checkpoint;
  CheckpointManifest& manifest = checkpoint.manifest;
  manifest.step = loop_.steps();
  manifest.seed = config_.run.seed;
  manifest.data_fingerprint = task_.fingerprint();
  manifest.commit = build_commit();
  manifest.device = backend_.name();
  manifest.config = mgqe::to_json(config_);
  manifest.training = mgqe::to_json(state_);
  manifest.world_size = ranks_.size();
  checkpoint.arrays = loop_.checkpoint_arrays(manifest.arrays);
  if (state_.best.epoch > 0) {
    Artifact best = make_artifact();
    if (ranks_.leads()) checkpoint.best = std::move(best);
  }
  return checkpoint;
}

std::string Trainer::resume() {
  if (!checkpoint_options_.resume) return "";
  const std::filesystem::path folder = out_ / kCheckpoints;
  std::optional<Checkpoint> found =
      newest_checkpoint(ranks_, folder, [this](const CheckpointManifest& manifest) {
        require_same_run(manifest, config_, task_.fingerprint());
        require_best(manifest);
      });
  if (!found) return fmt::format("no checkpoint in {}: from the beginning", folder.string());
  state_ = run_state_of(found->manifest.training);
  const TrainingLoop::Position& at = state_.position;
  loop_.set_rate_factor(state_.rate_factor);
  agree(ranks_, [&] { loop_.restore(at, found->arrays); });
  if (found->best) {
    auto placed = placed_tables(ranks_, config_, found->best->model);
    state_.best.model = share_of(std::move(found->best->model), std::move(placed));
  }
  const int wrote = found->manifest.world_size;
  return fmt::format("from step {}, {} of {} in epoch {}{}", at.steps, at.epoch_steps,
                     loop_.steps_per_epoch(), at.epoch,
                     wrote == ranks_.size() ? "" : fmt::format(", written by {} ranks", wrote));
}

void Trainer::warn_of_older_run() const {
  if (checkpoint_options_.resume) return;
  const std::filesystem::path folder = out_ / kCheckpoints;
  if (std::filesystem::is_regular_file(out_ / kResult))
    log().warn(
        "{} holds a finished run: this one, without --resume, begins anew and its first epoch or "
        "checkpoint replaces it",
        out_.string());
  else if (!find_checkpoints(folder).empty())
    log().warn(
        "{} holds checkpoints of a run that did not finish: this one, without --resume, "
        "begins anew and its first checkpoint replaces them",
        folder.string());
}

/// For this run's results in the place of older ones, when the first of them is there.
void Trainer::make_way() {
  if (std::exchange(made_way_, true)) return;
  agree(ranks_, [&] {
    if (!ranks_.leads()) return;
    remove_file(out_ / kResult);
    metrics_.emplace(out_ / kMetrics, kept_epochs_);
  });
}

void Trainer::warn_of_collapse() {
  for (const auto& [table, tiers] : loop_.model().tier_reports())
    for (size_t tier = 0; tier < tiers.size(); ++tier) {
      if (!tiers[tier].collapsed()) continue;
      const std::string name = fmt::format("{}, tier {}", table, tier);
      if (!state_.collapsed.insert(name).second) continue;
      log().warn("the codes of table {} have collapsed: perplexity {:.1f} of {} centroids", name,
                 tiers[tier].perplexity, tiers[tier].centroids);
    }
}

double Trainer::examples_per_second() const {
  return static_cast<double>(loop_.examples_per_epoch()) *
         static_cast<double>(state_.train_loss.size()) / state_.train_seconds;
}

/// Whole on rank 0, which writes it; every rank gives its rows.
Artifact Trainer::make_artifact() const {
  Artifact artifact;
  artifact.model = collect(ranks_, state_.best.model);
  artifact.ids = task_.ids();
  artifact.config = mgqe::to_json(config_);
  artifact.fields = task_.fields();
  artifact.seed = config_.run.seed;
  artifact.best_epoch = state_.best.epoch;
  artifact.data_fingerprint = task_.fingerprint();
  artifact.commit = build_commit();
  artifact.device = backend_.name();
  return artifact;
}

nlohmann::ordered_json Trainer::epoch_record(int epoch) {
  return {{"epoch", epoch},
          {"train_loss", state_.train_loss.back()},
          {"rate_factor", loop_.rate_factor()},
          {selection_name(), last_evaluation_.json},
          {"quantizer", to_json(loop_.model().tier_reports())},
          {"samples_per_second", examples_per_second()},
          {"seconds", {{"train", state_.train_seconds}, {"evaluate", state_.evaluate_seconds}}}};
}

nlohmann::ordered_json Trainer::make_result(const SizeReport& size,
                                            const EvaluationResult& test) const {
  nlohmann::ordered_json data = task_.data();
  data["training_examples_per_epoch"] = loop_.examples_per_epoch();
  data["fingerprint"] = fmt::format("{:016x}", task_.fingerprint());
  nlohmann::ordered_json result = {
      {"command", command_},
      {"commit", build_commit()},
      {"numerics_version", kNumericsVersion},
      {"device", backend_.name()},
      {"device_description", backend_.description()},
      {"ranks", ranks_.size()},
      {"seed", config_.run.seed},
      {"config", mgqe::to_json(config_)},
      {"data", data},
      {"selection", selection_name()},
      {"best_epoch", state_.best.epoch},
      {"epochs", state_.train_loss.size()},
      {"valid", nullptr},
      {"test", test.json},
      {"size", to_json(size)},
      {"quantizer", to_json(state_.best.tiers)},
      {"train_loss", state_.train_loss},
      {"seconds", {{"train", state_.train_seconds}, {"evaluate", state_.evaluate_seconds}}},
      {"samples_per_second", examples_per_second()}};
  if (!test.hits.empty()) result["user_hits"] = hits_to_json(test.hits);
  if (task_.selection() == Split::kValid) result["valid"] = state_.best.evaluation.json;
  return result;
}

}  // namespace mgqe

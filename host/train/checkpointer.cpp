#include "host/train/checkpointer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "host/core/version.hpp"
#include "host/io/atomic_folder.hpp"
#include "host/io/logging.hpp"

namespace mgqe {

namespace fs = std::filesystem;

void validate(const CheckpointOptions& options) {
  if (options.every < 0)
    input_error("--checkpoint-every ", options.every, " must be 0 (not by steps) or more");
  if (!(options.minutes >= 0.0) || !std::isfinite(options.minutes))
    input_error("--checkpoint-minutes ", options.minutes, " must be 0 (not by time) or more");
  if (options.keep < 1) input_error("--keep-checkpoints ", options.keep, " must be 1 or more");
}

Checkpointer::Checkpointer(fs::path folder, const CheckpointOptions& options, uint64_t step)
    : folder_(std::move(folder)), options_(options), last_step_(step) {
  validate(options);
  for (const auto& [older, path] : find_checkpoints(folder_))
    if (older <= step) kept_.push_back(older);
  remove_unfinished(folder_);
}

Checkpointer::~Checkpointer() {
  if (written_.valid()) written_.wait();
}

uint64_t Checkpointer::due_step() const {
  const auto every = static_cast<uint64_t>(options_.every);
  return every == 0 ? std::numeric_limits<uint64_t>::max() : (last_step_ / every + 1) * every;
}

bool Checkpointer::due(uint64_t step) {
  const std::chrono::duration<double, std::ratio<60>> minutes = Clock::now() - last_time_;
  const bool by_time = options_.minutes > 0.0 && minutes.count() >= options_.minutes;
  return (step >= due_step() || by_time) && !writing();
}

int64_t Checkpointer::steps_to_due(uint64_t step, int64_t limit) const {
  const uint64_t due = due_step(), left = due > step ? due - step : static_cast<uint64_t>(limit);
  return static_cast<int64_t>(std::min(left, static_cast<uint64_t>(limit)));
}

bool Checkpointer::writing() const {
  return written_.valid() &&
         written_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

void Checkpointer::begin(const std::function<Checkpoint()>& take) {
  try {
    finish();
  } catch (const InputError& error) {
    log().warn("the last checkpoint failed: {}", error.what());
  }
  Checkpoint checkpoint = take();
  last_step_ = checkpoint.manifest.step;
  last_time_ = Clock::now();
  written_ = std::async(std::launch::async, [this, moved = std::move(checkpoint)]() mutable {
    write(std::move(moved));
  });
}

void Checkpointer::finish() {
  if (written_.valid()) written_.get();
}

void Checkpointer::write(Checkpoint checkpoint) {
  const uint64_t step = checkpoint.manifest.step;
  write_checkpoint(folder_, std::move(checkpoint));
  remove_old(step);
}

void Checkpointer::remove_old(uint64_t newest) {
  std::erase(kept_, newest);
  kept_.push_back(newest);
  const auto keep = static_cast<size_t>(options_.keep);
  if (kept_.size() > keep) kept_.erase(kept_.begin(), kept_.end() - static_cast<int64_t>(keep));
  for (const auto& [step, path] : find_checkpoints(folder_))
    if (std::find(kept_.begin(), kept_.end(), step) == kept_.end()) remove_atomically(path);
}

// ---- going on -----------------------------------------------------------------------------------

std::optional<Checkpoint> newest_checkpoint(
    const fs::path& folder, const std::function<void(const CheckpointManifest&)>& accept) {
  std::string first_damage;
  const auto all = find_checkpoints(folder);
  for (auto newest = all.rbegin(); newest != all.rend(); ++newest) try {
      CheckpointManifest manifest = read_manifest(newest->second);
      accept(manifest);
      return read_checkpoint(newest->second, std::move(manifest));
    } catch (const DamagedCheckpoint& damage) {
      if (first_damage.empty()) first_damage = damage.what();
      const bool older = std::next(newest) != all.rend();
      if (older) log().warn("{}; trying an older checkpoint", damage.what());
    }
  if (first_damage.empty()) return std::nullopt;
  input_error("--resume: ", folder.string(), " has no checkpoint that is whole: ", first_damage);
}

void require_same_run(const CheckpointManifest& manifest, const Config& config,
                      uint64_t data_fingerprint) {
  const std::string where = "--resume: checkpoint " + checkpoint_name(manifest.step);
  Config there;  // fields that an older program did not know have their defaults
  update_from_json(there, manifest.config, where);
  const std::string different =
      differences(there, config, {"run.device", "run.out", "train.patience", "train.epochs"});
  if (!different.empty())
    input_error(where, " is of another configuration (", different,
                "): repeat its command, or give another --out");
  if (config.train.epochs < there.train.epochs)
    input_error(where, " is of a run of ", there.train.epochs, " epochs: --epochs ",
                config.train.epochs, " is below that");
  if (manifest.data_fingerprint != data_fingerprint)
    input_error(where, " was trained on other data than --data ", config.data.name,
                " gives here: name the data it was trained on, or give another --out");
  if (manifest.commit != build_commit())
    log().warn(
        "{} was written by commit {}, this program is {}: where their arithmetic differs, "
        "the run is not the one either would make alone",
        checkpoint_name(manifest.step), manifest.commit, build_commit());
}

}  // namespace mgqe

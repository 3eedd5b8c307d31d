#include "host/train/checkpointer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "host/base/version.hpp"
#include "host/comm/launch.hpp"
#include "host/io/console/logging.hpp"
#include "host/train/run_state.hpp"

namespace mgqe {

namespace fs = std::filesystem;

void validate(const CheckpointOptions& options) {
  if (options.every < 0)
    input_error("--checkpoint-every ", options.every, " must be 0 (not by steps) or more");
  if (!(options.minutes >= 0.0) || !std::isfinite(options.minutes))
    input_error("--checkpoint-minutes ", options.minutes, " must be 0 (not by time) or more");
  if (options.keep < 1) input_error("--keep-checkpoints ", options.keep, " must be 1 or more");
}

Checkpointer::Checkpointer(Communicator& ranks, fs::path folder, const CheckpointOptions& options,
                           uint64_t step)
    : ranks_(ranks), folder_(std::move(folder)), options_(options), last_step_(step) {
  validate(options);
  if (!ranks_.leads()) return;
  for (const auto& [older, path] : find_checkpoints(folder_))
    if (older <= step) kept_.push_back(older);
  remove_unfinished(folder_);
}

Checkpointer::~Checkpointer() {
  if (written_.valid()) written_.wait();
  if (share_.valid()) share_.wait();
}

Checkpointer::Advice Checkpointer::consult(uint64_t step, int signal, bool epoch_ends) {
  if (ranks_.alone()) return {signal, due(step)};
  if (step % kConsultSteps != 0 && step < due_step() && !epoch_ends) return {0, false};
  // The clocks of ranks differ: rank 0's decides.
  enum { kSignal, kDue, kWriting, kFields };
  const auto n = static_cast<size_t>(ranks_.size());
  std::vector<int64_t> mine(n * kFields), all(mine.size());
  for (size_t r = 0; r < n; ++r) {
    mine[r * kFields + kSignal] = signal;
    mine[r * kFields + kDue] = ranks_.leads() && due(step);
    mine[r * kFields + kWriting] = writing();
  }
  ranks_.exchange(Traffic::kControl, mine, all);
  Advice advice{0, all[kDue] != 0};
  bool any_writes = false;
  for (size_t r = 0; r < n; ++r) {
    advice.signal = std::max(advice.signal, static_cast<int>(all[r * kFields + kSignal]));
    any_writes = any_writes || all[r * kFields + kWriting] != 0;
  }
  if (!any_writes && making_) finish_shares();
  if (any_writes) advice.due = false;
  return advice;
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
  const auto runs = [](const auto& future) {
    return future.valid() && future.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  };
  return runs(written_) || runs(share_);
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
  if (!ranks_.alone()) return begin_share(std::move(checkpoint));
  written_ = std::async(std::launch::async, [this, moved = std::move(checkpoint)]() mutable {
    write(std::move(moved));
  });
}

void Checkpointer::finish() {
  if (written_.valid()) written_.get();
  if (making_) finish_shares();
}

void Checkpointer::begin_share(Checkpoint checkpoint) {
  making_.emplace();
  making_->manifest = std::move(checkpoint.manifest);
  const uint64_t step = making_->manifest.step;
  agree(ranks_, [&] {
    if (ranks_.leads())
      making_->folder = std::make_unique<AtomicFolder>(folder_ / checkpoint_name(step));
  });
  const fs::path made =
      ranks_.gather(ranks_.leads() ? making_->folder->temporary().string() : "").front();
  share_ = std::async(std::launch::async, [made, rank = ranks_.rank(), ranks = ranks_.size(),
                                           moved = std::move(checkpoint)] {
    Share share;
    if (moved.best) share.best = write_best(made, *moved.best);
    share.shard = write_shard(made, rank, ranks, moved.arrays);
    return share;
  });
}

/// AgreedError where a rank could not write its file: the folder goes.
void Checkpointer::finish_shares() {
  Making making = *std::exchange(making_, std::nullopt);
  Share mine;
  agree(ranks_, [&] { mine = share_.get(); });
  const std::vector<std::string> files =
      ranks_.gather(fmt::format("{} {} {}", mine.shard.name, mine.shard.bytes, mine.shard.crc32));
  agree(ranks_, [&] {
    if (!ranks_.leads()) return;
    for (const std::string& text : files) {
      std::istringstream words(text);
      CheckpointFile& file = making.manifest.files.emplace_back();
      words >> file.name >> file.bytes >> file.crc32;
    }
    if (mine.best) making.manifest.files.push_back(*mine.best);
    write_manifest(making.folder->temporary(), making.manifest);
    making.folder->commit();
    remove_old(making.manifest.step);
  });
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

namespace {

Checkpoint read_for(const Communicator& ranks, const fs::path& path, CheckpointManifest manifest) {
  if (manifest.world_size > 1 && manifest.world_size == ranks.size())
    return read_share(path, std::move(manifest), ranks.rank());
  return read_checkpoint(path, std::move(manifest));
}

/// Rank 0's list, on every rank: a shared file system may show the others an older one.
std::vector<fs::path> checkpoints_of(Communicator& ranks, const fs::path& folder) {
  std::string names;
  if (ranks.leads())
    for (const auto& [step, path] : find_checkpoints(folder)) names += path.string() + "\n";
  std::vector<fs::path> paths;
  std::istringstream lines(ranks.gather(names).front());
  for (std::string line; std::getline(lines, line);) paths.emplace_back(line);
  return paths;
}

}  // namespace

std::optional<Checkpoint> newest_checkpoint(
    Communicator& ranks, const fs::path& folder,
    const std::function<void(const CheckpointManifest&)>& accept) {
  std::string first_damage;
  std::vector<fs::path> paths = checkpoints_of(ranks, folder);
  for (; !paths.empty(); paths.pop_back()) {
    Checkpoint read;
    std::string damage;
    agree(ranks, [&] {
      try {
        CheckpointManifest manifest = read_manifest(paths.back());
        accept(manifest);
        read = read_for(ranks, paths.back(), std::move(manifest));
      } catch (const DamagedCheckpoint& found) {
        damage = found.what();
      }
    });
    std::string any;
    for (const std::string& one : ranks.gather(damage))
      if (any.empty()) any = one;
    if (any.empty()) return read;
    if (first_damage.empty()) first_damage = any;
    if (paths.size() > 1) log().warn("{}; trying an older checkpoint", any);
  }
  if (first_damage.empty()) return std::nullopt;
  const std::string what =
      "--resume: " + folder.string() + " has no checkpoint that is whole: " + first_damage;
  agree(ranks, [&] { input_error(what); });
  return std::nullopt;
}

void require_best(const CheckpointManifest& manifest) {
  const int epoch = run_state_of(manifest.training).best.epoch;
  const bool listed =
      std::any_of(manifest.files.begin(), manifest.files.end(),
                  [](const CheckpointFile& file) { return file.name == kBestFile; });
  if (listed == (epoch > 0)) return;
  throw DamagedCheckpoint(fmt::format("{}: the run's best epoch is {}, and {} is {}in its manifest",
                                      checkpoint_name(manifest.step), epoch, kBestFile,
                                      listed ? "" : "not "));
}

void require_same_run(const CheckpointManifest& manifest, const Config& config,
                      uint64_t data_fingerprint) {
  const std::string where = "--resume: checkpoint " + checkpoint_name(manifest.step);
  Config there;  // fields that an older program did not know have their defaults
  update_from_json(there, manifest.config, where);
  const std::string different = differences(
      there, config, {"run.device", "run.out", "run.shard", "train.patience", "train.epochs"});
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

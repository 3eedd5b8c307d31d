// Checkpointer: when a run's checkpoints are taken, which are kept, and the thread that writes them
// while training goes on. A run goes on from newest_checkpoint().
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "host/config/config.hpp"
#include "host/engine/communicator.hpp"
#include "host/io/atomic_folder.hpp"
#include "host/io/checkpoint.hpp"

namespace mgqe {

/// None of it bears on what a run computes, so it is not in Config.
struct CheckpointOptions {
  int64_t every = 0;      // optimizer steps; 0: not by steps
  double minutes = 10.0;  // since the last one; 0: not by time
  int keep = 2;
  bool resume = false;
};

/// InputError that names the flag.
void validate(const CheckpointOptions& options);

/// Among ranks each writes a file of its own in the background; rank 0 makes the folder, lists what
/// they wrote and puts the whole under its name. All ranks make the same calls.
class Checkpointer {
 public:
  /// step: where the run goes on from, or 0. Checkpoints in the folder up to there count among
  /// those kept; later ones are not this run's, and go once the first of this run is complete. The
  /// folder is one that all ranks see.
  Checkpointer(Communicator& ranks, std::filesystem::path folder, const CheckpointOptions& options,
               uint64_t step);
  /// Waits for the one under way.
  ~Checkpointer();

  struct Advice {
    int signal;  // that came to any rank
    bool due;
  };
  /// To be called between two steps. Ranks ask each other every kConsultSteps, when one is due by
  /// steps, and at the ends of epochs; then they also put away what all have written.
  Advice consult(uint64_t step, int signal, bool epoch_ends);
  static constexpr uint64_t kConsultSteps = 32;

  /// Whether one should be taken now. Not while one is written: training never waits for a disk
  /// slower than its checkpoints, nor holds two copies of a model; the next is then taken as soon
  /// as the last is written.
  bool due(uint64_t step);
  /// How many of `limit` steps to run before due() is asked again: all of them where one is
  /// overdue.
  int64_t steps_to_due(uint64_t step, int64_t limit) const;

  /// Takes one and writes it in the background, once the one under way is written; where that one
  /// failed there is a warning, for the run has older ones.
  void begin(const std::function<Checkpoint()>& take);
  /// Waits until the one of begin() is written; InputError where it could not be.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  /// What rank 0 keeps until the files of all ranks are there.
  struct Making {
    std::unique_ptr<AtomicFolder> folder;  // rank 0's
    CheckpointManifest manifest;
  };
  /// The files that this rank writes.
  struct Share {
    CheckpointFile shard;
    std::optional<CheckpointFile> best;
  };

  uint64_t due_step() const;
  bool writing() const;
  void write(Checkpoint checkpoint);
  void begin_share(Checkpoint checkpoint);
  void finish_shares();
  void remove_old(uint64_t newest);

  Communicator& ranks_;
  std::filesystem::path folder_;
  CheckpointOptions options_;
  std::optional<Making> making_;  // among ranks
  std::future<Share> share_;
  std::vector<uint64_t> kept_;  // steps, oldest first; the writing thread's while it writes
  uint64_t last_step_;
  Clock::time_point last_time_ = Clock::now();
  std::future<void> written_;
};

/// The newest valid checkpoint of the folder; nothing where there is none at all. `accept` may
/// refuse one by its manifest, before the rest is read, with an InputError that is passed on. One
/// that is damaged is passed over with a warning; InputError where every one is.
/// Ranks settle on the same one; of a checkpoint by as many ranks each has its share.
std::optional<Checkpoint> newest_checkpoint(
    Communicator& ranks, const std::filesystem::path& folder,
    const std::function<void(const CheckpointManifest&)>& accept);

/// DamagedCheckpoint where a run that has a best epoch is without its artifact.
void require_best(const CheckpointManifest& manifest);

/// Refuses a checkpoint of another run: other data, or a configuration that differs in more than
/// --device, --out, --shard, --patience and --epochs, which may be raised. InputError that names
/// the fields.
void require_same_run(const CheckpointManifest& manifest, const Config& config,
                      uint64_t data_fingerprint);

}  // namespace mgqe

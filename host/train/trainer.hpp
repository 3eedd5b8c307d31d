// Trainer: epochs of TrainingLoop, evaluation of the compressed model after each, and the files a
// run leaves behind.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "host/base/interruption.hpp"
#include "host/io/console/metrics_log.hpp"
#include "host/io/run_lock.hpp"
#include "host/train/checkpointer.hpp"
#include "host/train/run_state.hpp"
#include "host/train/training_loop.hpp"

namespace mgqe {

class Progress;

class Trainer {
 public:
  /// command: the line that started the run, kept in result.json. As long as it lives, signals that
  /// end a program are noted (interruption.hpp).
  Trainer(Backend& backend, Task& task, const Config& config, std::string command,
          const CheckpointOptions& checkpoints = {});

  /// Trains up to config.train.epochs epochs and writes to config.run.out:
  ///   metrics.jsonl       a line an evaluated epoch
  ///   checkpoints/        from which a run can go on, the last one from the end (checkpoint.hpp)
  ///   model.safetensors   the packed artifact of the best epoch
  ///   result.json         what is returned; it is there only once all is
  /// The best epoch has the highest score of the task (task.hpp), the earliest on ties, measured
  /// after compression. A run that goes on from a checkpoint ends as one that was never stopped
  /// would, times aside. InputError when the loss is not finite, Interrupted on a signal.
  nlohmann::ordered_json run();

 private:
  /// Goes on from the newest checkpoint, if asked to; says from where.
  std::string resume();
  void warn_of_older_run() const;
  void make_way();
  bool done() const;
  void train_epoch(int epoch, Progress& progress);
  void evaluate_epoch(int epoch);
  void report_epoch(int epoch, Progress& progress);
  /// Between two steps: takes a checkpoint where one is due, stops where a signal came.
  void between_steps(Progress& progress);
  Checkpoint take_checkpoint();
  void check_finite(double loss);
  void warn_of_collapse();
  void print_header(const std::string& resumed) const;
  void print_epoch(int epoch, double examples_per_second) const;
  Artifact make_artifact() const;
  nlohmann::ordered_json make_result(const SizeReport& size, const EvaluationResult& test) const;
  nlohmann::ordered_json epoch_record(int epoch);
  double examples_per_second() const;
  std::string selection_name() const {
    return task_.selection() == Split::kValid ? "valid" : "test";
  }

  Backend& backend_;
  Communicator& ranks_;
  Task& task_;
  Config config_;
  std::string command_;
  std::filesystem::path out_;
  CheckpointOptions checkpoint_options_;
  Interruption interruption_{/*notes_broken_pipe=*/true};
  TrainingLoop loop_;
  RunState state_;
  EvaluationResult last_evaluation_;
  std::optional<Checkpointer> checkpointer_;
  // Files are rank 0's.
  std::optional<RunLock> lock_;
  std::optional<MetricsLog> metrics_;
  bool made_way_ = false;
  int kept_epochs_ = 0;  // that were done when it went on
};

}  // namespace mgqe
